-- end closes an attempt with what became of it. Evidence only rises: undecided, then unknown, then what is certain;
-- that LINE accepted it is the last word.
--
-- KEYS[1] the record
-- ARGV    1 token of the attempt
--         2 evidence: "accepted", "refused" (certain: LINE doesn't have it), "lost" (LINE may have it)
--         3 "1" if no other attempt shall follow
--         4 outcome of a final refusal when an earlier attempt's answer was lost: "sent", "failed", else unknown
--         5 reason     6 error     7 request id     8 "1" if replayed
--         9 retention of sent, ms  10 retention of all else, ms
--         11 progress to keep instead of an outcome, because the attempt was one step of several; "": none
--         12 "1" if no request was made after all: then it was no attempt
--         13 LINE's status, 0: none  14 the attempt's number
-- Returns outcome ("" while undecided), "1" if this call set it, reason, error, request id, replayed, attempts
local key = KEYS[1]
local v = redis.call('HMGET', key, 's', 'a', 'o', 'c', 'w', 'r', 'e', 'i', 'y', 'n', 'p', 'b')
local had, live, open, cancelled, former = v[1], v[2], v[3] or '', v[4], v[5] or ''
local is = {
  s = v[1] or '', a = v[2] or '', o = open, w = former, r = v[6] or '', e = v[7] or '', i = v[8] or '', y = v[9] or '',
  n = v[10] or '0', p = v[11] or '', b = v[12] or '',
}
-- What changes is collected, and written by one command each.
local changed = {}
local function set(field, value)
  if is[field] ~= value then changed[field] = value end
  is[field] = value
end
local mine = live == ARGV[1]
if mine then
  set('a', '')
  set('u', '')
  live = false
  if ARGV[12] == '1' then set('n', string.format('%.0f', math.max(0, tonumber(is.n) - 1))) end
end
-- An attempt that begin gave up is among the open ones until its own end is heard.
local function without(list)
  local from, to = string.find(list, ARGV[1] .. ',', 1, true)
  if not from then return list, false end
  return string.sub(list, 1, from - 1) .. string.sub(list, to + 1), true
end
local given, early
open, given = without(open)
former, early = without(former)

local function stands(fresh)
  local put, gone = {}, {}
  for field, value in pairs(changed) do
    if value == '' then
      gone[#gone + 1] = field
    else
      put[#put + 1] = field
      put[#put + 1] = value
    end
  end
  if #put > 0 then redis.call('HSET', key, unpack(put)) end
  if #gone > 0 then redis.call('HDEL', key, unpack(gone)) end
  return {is.s, fresh, is.r, is.e, is.i, is.y, is.n}
end
local function note(reason, text)
  set('o', open)
  set('r', reason)
  set('e', text)
  if ARGV[7] ~= '' then set('i', ARGV[7]) end
end
local function decide(outcome)
  if outcome == 'failed' and cancelled then outcome = 'cancelled' end
  local certain = outcome == 'sent' or outcome == 'cancelled'
  if outcome ~= 'unknown' then open, former = '', '' end
  set('w', former)
  if outcome == 'failed' and ARGV[3] ~= '1' and is.r == 'invalid' then
    note(is.r, is.e) -- refused for good before; this attempt was in doubt, and was refused only for a moment
  else
    note(certain and '' or ARGV[5], certain and '' or ARGV[6])
  end
  local time = redis.call('TIME')
  set('s', outcome)
  set('d', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
  local now = stands('1')
  redis.call('PEXPIRE', key, outcome == 'sent' and ARGV[9] or ARGV[10])
  return now
end

if ARGV[2] == 'accepted' and ARGV[11] == '' then
  -- This holds also for an attempt that the record doesn't know, because it was lost and made anew, or run again.
  if had == 'sent' then return stands('0') end
  if ARGV[8] == '1' then set('y', '1') end
  return decide('sent')
end
if not mine and not given and not early or had and had ~= 'unknown' then return stands('0') end
if early then
  -- From before a risky reopen: that it was refused says something about itself only.
  if ARGV[2] ~= 'refused' then return stands('0') end
  set('w', former)
  if had and not live and open == '' and former == '' then return decide('failed') end
  return stands('0')
end
if ARGV[2] == 'accepted' then
  set('p', ARGV[11])
  if had then
    set('o', open)
  else
    -- Nothing of this step is open any more, and the next one has a horizon of its own.
    open = ''
    note('', '')
    set('b', '')
    set('w', '')
  end
  return stands('0')
end

if ARGV[2] == 'lost' and not string.find(open, '+', 1, true) then open = open .. '+' end
-- Another run's attempt is under way: that one decides.
if (had or ARGV[3] == '1') and not live then
  if ARGV[2] == 'refused' and open == '' and former == '' then return decide('failed') end
  if ARGV[2] == 'refused' and (ARGV[4] == 'sent' or ARGV[4] == 'failed') then return decide(ARGV[4]) end
  if not had then return decide('unknown') end
end
if had then
  set('o', open)
else
  note(ARGV[5], ARGV[6])
  if ARGV[12] ~= '1' then
    local time = redis.call('TIME')
    remember(key, ARGV[14], string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), ARGV[13], ARGV[5], ARGV[7],
      ARGV[6], '')
  end
end
return stands('0')
