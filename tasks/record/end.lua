-- end closes an attempt with what became of it. Evidence only rises: undecided, then unknown, then what is certain;
-- that LINE accepted it is the last word.
--
-- KEYS[1] the record
-- ARGV    1 token of the attempt
--         2 evidence: "accepted", "refused" (certain: LINE doesn't have it), "lost" (LINE may have it)
--         3 "1" if no other attempt shall follow
--         4 outcome of a final refusal when an earlier attempt's answer was lost
--         5 reason     6 error     7 request id     8 "1" if replayed
--         9 retention of sent, ms  10 retention of all else, ms
--         11 progress to keep instead of an outcome, because the attempt was one step of several; "": none
-- Returns outcome ("" while undecided), "1" if this call set it, reason, error
local key = KEYS[1]
local v = redis.call('HMGET', key, 's', 'a', 'o', 'c', 'r', 'e')
local had, token, open = v[1], v[2], v[3] or ''
local mine = token == ARGV[1]
if mine then redis.call('HDEL', key, 'a', 'u') end
-- An attempt that begin gave up is among the open ones until its own end is heard.
local from, to = string.find(open, ARGV[1] .. ',', 1, true)
if from then open = string.sub(open, 1, from - 1) .. string.sub(open, to + 1) end

local function keep(outcome, reason, text)
  local time = redis.call('TIME')
  redis.call('HSET', key, 's', outcome, 'r', reason, 'e', text,
    'd', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
  if outcome == 'unknown' then
    redis.call('HSET', key, 'o', open)
  elseif v[3] then
    redis.call('HDEL', key, 'o')
  end
  redis.call('PEXPIRE', key, outcome == 'sent' and ARGV[9] or ARGV[10])
  return {outcome, '1', reason, text}
end

if ARGV[2] == 'accepted' then
  if had == 'sent' then return {had, '0', '', ''} end
  if ARGV[11] == '' then
    redis.call('HSET', key, 'i', ARGV[7], 'y', ARGV[8])
    return keep('sent', '', '')
  end
  redis.call('HSET', key, 'p', ARGV[11], 'i', ARGV[7])
  if not had then redis.call('HDEL', key, 'o', 'b', 'r', 'e') end
  return {had or '', '0', '', ''}
end

if had and had ~= 'unknown' then return {had, '0', v[5] or '', v[6] or ''} end
if not mine and not from then
  -- The record was lost and made anew, or somebody ran the task again: this answer belongs to no attempt it knows.
  return {had or '', '0', v[5] or '', v[6] or ''}
end
if ARGV[2] == 'lost' then open = open .. '+' end

if had then
  redis.call('HSET', key, 'o', open)
  if open ~= '' or (token and not mine) then return {had, '0', v[5] or '', v[6] or ''} end
  -- The last attempt that might have gone through is known to have been refused.
  if v[4] then return keep('cancelled', '', '') end
  return keep('failed', ARGV[5], ARGV[6])
end

redis.call('HSET', key, 'i', ARGV[7])
if ARGV[3] == '1' then
  if ARGV[2] == 'refused' and open == '' then return keep('failed', ARGV[5], ARGV[6]) end
  if ARGV[2] == 'refused' and ARGV[4] == 'sent' then return keep('sent', '', '') end
  if ARGV[2] == 'refused' and ARGV[4] == 'failed' then return keep('failed', ARGV[5], ARGV[6]) end
  return keep('unknown', ARGV[5], ARGV[6])
end
redis.call('HSET', key, 'o', open, 'r', ARGV[5], 'e', ARGV[6])
return {'', '0', ARGV[5], ARGV[6]}
