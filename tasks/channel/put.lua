-- put holds a channel for one reason. One script, so that a repeat keeps the time at which the hold began.
--
-- KEYS[1] the channel's state: a field for each reason
-- ARGV    1 reason  2 until, Unix ms, 0: until it is lifted  3 by  4 note
-- A value is since, until, by and note, a line each.
-- Returns "1" if it was not held for this reason before, "1" if anything has changed
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local old = redis.call('HGET', KEYS[1], ARGV[1])
local since, fresh = string.format('%.0f', now), '1'
if old then
  local s, u = string.match(old, '^(%d+)\n(%d+)\n')
  if s and (u == '0' or tonumber(u) > now) then since, fresh = s, '0' end
end
local new = table.concat({since, ARGV[2], ARGV[3], ARGV[4]}, '\n')
if new == old then return {fresh, '0'} end
redis.call('HSET', KEYS[1], ARGV[1], new)
return {fresh, '1'}
