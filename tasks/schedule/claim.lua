-- claim hands one tick of a schedule to one worker, and moves the schedule on. What there is to do was decided by what its
-- hash said before: where that has changed meanwhile, nothing happens, and the worker looks again.
--
-- KEYS[1] the schedule, see key in store.go
-- ARGV 1 what:
--   "next"   take the tick 3 of the calendar, or none if 3 is "0"; the next one is 4 then, and the ones up to 5 were missed
--   "asked"  take the tick that was asked for
--   "again"  take over the claimed tick
--   "drop"   give the claimed tick up
--      2 next, asked or due, as they were read  3 tick  4 next tick  5 missed, "0": none  6 how long it is the worker's, ms
--      7 ID of the missed or dropped tick
-- Returns 1 if it was done
local v = redis.call('HMGET', KEYS[1], 'next', 'asked', 'due', 'until', 'paused', 'by', 'error')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local mine = string.format('%.0f', now + ARGV[6])
local function last(tick, state, why)
  redis.call('HSET', KEYS[1], 'last', tick, 'state', state, 'id', ARGV[7], 'why', why)
end
if ARGV[1] == 'next' then
  if v[1] ~= ARGV[2] or v[3] or v[5] then return 0 end
  redis.call('HSET', KEYS[1], 'next', ARGV[4])
  if ARGV[5] ~= '0' then last(ARGV[5], 'missed', '') end
  if ARGV[3] ~= '0' then
    redis.call('HSET', KEYS[1], 'due', ARGV[3], 'by', 'calendar', 'until', mine, 'tries', '0')
  end
  return 1
end
if ARGV[1] == 'asked' then
  if v[2] ~= ARGV[2] or v[3] then return 0 end
  redis.call('HDEL', KEYS[1], 'asked')
  redis.call('HSET', KEYS[1], 'due', ARGV[2], 'by', 'asked', 'until', mine, 'tries', '0')
  return 1
end
if v[3] ~= ARGV[2] or tonumber(v[4]) > now or v[5] and v[6] ~= 'asked' then return 0 end
if ARGV[1] == 'again' then
  redis.call('HSET', KEYS[1], 'until', mine)
  redis.call('HINCRBY', KEYS[1], 'tries', 1)
  return 1
end
redis.call('HDEL', KEYS[1], 'due', 'by', 'until', 'tries', 'error')
last(ARGV[2], 'failed', v[7] or 'every worker that began it has died')
return 1
