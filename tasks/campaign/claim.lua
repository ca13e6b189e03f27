-- claim opens units for one pass each: those whose time has come again, then new ones. Of a paused campaign it opens what
-- LINE may have, so that its answer is heard while it remembers the retry key; of a cancelled one it gives that up.
--
-- ARGV 1 epoch  2 lane  3 run and worker  4 token, to which a number is added  5 how long a pass may take, ms
--      6 units at most  7 recipients at most that a unit of pushes may try for the first time  8 horizon, ms
-- Returns "units", name, token, generation, passes, "1" if only what LINE may have is to be sent, first, layout, states,
--         µs until the first may go … | "wait", ms | "over", state
local v = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'lane:' .. ARGV[2], 'chunks', 'size', 'block', 'mode', 'nc', 'place',
  'rate', 'tat', 'allow', 'taken')
local state = v[1]
if v[2] ~= ARGV[1] or v[3] ~= ARGV[1] .. ' ' .. ARGV[3] then return {'over', 'replaced'} end
if state ~= 'sending' and state ~= 'paused' and state ~= 'cancelled' then return {'over', state or ''} end
redis.call('HSET', KEYS[1], 'seen', whole(now))
local chunks, size, block, mode = tonumber(v[4]), tonumber(v[5]), tonumber(v[6]), v[7]
local most = tonumber(ARGV[7])
local rate, tat = tonumber(v[10] or 0), tonumber(v[11] or 0)
local allow, taken = tonumber(v[12] or nil), tonumber(v[13] or 0)
local micros = time[1] * 1000000 + time[2]
local out = {'units'}
local found = 0
local late -- how long the rate lets nobody go, ms

-- room is how many recipients may be sent to now.
local function room()
  if rate > 0 and tat - micros > 5000000 then
    late = math.ceil((tat - micros - 5000000) / 1000)
    return 0
  end
  if allow then return math.max(0, allow - taken) end
  return math.huge
end

local function give(u, settle, first, recipients)
  found = found + 1
  u.token, u.till, u.passes, u.first = ARGV[4] .. '.' .. found, now + tonumber(ARGV[5]), u.passes + 1, first
  if u.since == 0 then u.since = now end
  local wait = 0
  if rate > 0 and not settle then
    tat = math.max(tat, micros)
    wait = tat - micros
    tat = tat + recipients * 1000000 / rate
  end
  u.counted = 0
  if allow then
    u.counted = recipients
    taken = taken + recipients
  end
  writeUnit(u)
  redis.call('ZADD', KEYS[6], whole(u.till), u.name)
  redis.call('ZREM', KEYS[7], u.name)
  for _, x in ipairs({u.name, u.token, u.generation, u.passes, settle and '1' or '0', first, u.layout, u.states, whole(wait)}) do
    out[#out + 1] = x
  end
end

-- again opens a unit once more, or puts it where it belongs.
local function again(name)
  local u = readUnit(name)
  local _, sizes = parts(u.layout)
  local function sizeOf(i) return sizes and sizes[i] or 1 end
  local states = {string.byte(u.states, 1, -1)}
  local dead = u.token ~= '-'
  local past = u.since > 0 and now - u.since > tonumber(ARGV[8])
  local first = dead and u.first or 0
  local opens, fresh, openRecipients = 0, 0, 0
  local lost = {}
  for i, s in ipairs(states) do
    if s == 112 and first > 0 then -- p: the pass that died may have tried it
      first = first - 1
      s = 111
    end
    if s == 111 and (past or state == 'cancelled') then -- o
      s = 117
      count('unknown', sizeOf(i))
      count('x:u', sizeOf(i))
      lost[#lost + 1] = i
    end
    if s == 111 then
      opens = opens + 1
      openRecipients = openRecipients + sizeOf(i)
    elseif s == 112 then
      fresh = fresh + 1
    end
    states[i] = s
  end
  if dead then
    taken = taken - u.counted
    u.token, u.till, u.first, u.counted = '-', 0, 0, 0
    u.passes = math.max(0, u.passes - 1) -- it says nothing of LINE
  end
  u.states = string.char(unpack(states))
  if #lost > 0 then
    if u.entries == '' then u.entries = string.rep('\0', ENTRY * #states) end
    local stamp = ''
    for shift = 24, 0, -8 do stamp = stamp .. string.char(math.floor(time[1] / 2 ^ shift) % 256) end
    for _, i in ipairs(lost) do
      local at = (i - 1) * ENTRY
      u.entries = string.sub(u.entries, 1, at + 16) .. stamp .. '\0\0u' .. string.sub(u.entries, at + ENTRY + 1)
      if allow then taken = taken + sizeOf(i) end
    end
  end
  if past then
    u.generation, u.since = u.generation + 1, 0
  end
  local rest = opens + fresh == 0 or opens == 0 and state ~= 'sending'
  local free, n = 0, 0
  if not rest and state == 'sending' then
    free = sizes and room() or math.min(room(), most)
    for i, s in ipairs(states) do
      if s == 112 and n < fresh and free >= sizeOf(i) then
        n = n + 1
        free = free - sizeOf(i)
        openRecipients = openRecipients + sizeOf(i)
      elseif s == 112 then
        break
      end
    end
  end
  if rest or opens + n == 0 then
    writeUnit(u)
    redis.call('ZREM', KEYS[6], name)
    redis.call('ZREM', KEYS[7], name)
    if fresh > 0 and state ~= 'cancelled' then redis.call('ZADD', KEYS[7], whole(now + (late or 0)), name) end
    return
  end
  give(u, state ~= 'sending', n, openRecipients)
end

local want = tonumber(ARGV[6])
for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[6], '-inf', whole(now), 'LIMIT', 0, want)) do again(name) end
if state == 'sending' then
  if found < want and room() > 0 then
    for _, name in ipairs(redis.call('ZRANGEBYSCORE', KEYS[7], '-inf', whole(now), 'LIMIT', 0, want - found)) do again(name) end
  end
  local nc, place = tonumber(v[8] or 0), tonumber(v[9] or 0)
  local moved = false
  while found < want and nc < chunks do
    local free = room()
    if free < 1 then break end
    local of, how = size, mode
    local odd = redis.call('HGET', KEYS[4], nc)
    if odd then
      of, how = string.match(odd, '^(%d+) (%a+)$')
      of = tonumber(of)
    end
    local u = {name = nc .. '.' .. place, token = '-', till = 0, since = 0, generation = 0, passes = 0, first = 0, counted = 0,
      layout = '', entries = ''}
    if how == 'multicast' then
      if free < of then break end
      u.layout, u.states = ':' .. of, 'p'
      nc = nc + 1
      give(u, false, 1, of)
    else
      local n = math.min(block, of - place)
      u.states = string.rep('p', n)
      place = place + n
      if place >= of then nc, place = nc + 1, 0 end
      n = math.min(n, most, free)
      give(u, false, n, n)
    end
    moved = true
  end
  if moved then redis.call('HSET', KEYS[1], 'nc', nc, 'place', place) end
  if allow and found == 0 and not late and taken >= allow - (mode == 'multicast' and size - 1 or 0)
      and redis.call('ZCARD', KEYS[6]) == 0 and (nc < chunks or redis.call('ZCARD', KEYS[7]) > 0) then
    pause('quota', 'sent as far as the quota of the month reached')
    state = 'paused'
  end
end
keepCounts()
if rate > 0 then redis.call('HSET', KEYS[1], 'tat', whole(tat)) end
if allow then redis.call('HSET', KEYS[1], 'taken', whole(taken)) end
if found > 0 then return out end

state = finish()
if state ~= 'sending' and state ~= 'paused' and state ~= 'cancelled' then return {'over', state} end
local nextDue = nil
for i = 6, state == 'sending' and 7 or 6 do
  local first = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')
  if first[2] and (not nextDue or tonumber(first[2]) < nextDue) then nextDue = tonumber(first[2]) end
end
if late and state == 'sending' then nextDue = math.max(nextDue or 0, now + late) end
if not nextDue then return {'over', state} end
return {'wait', whole(math.max(1, nextDue - now))}
