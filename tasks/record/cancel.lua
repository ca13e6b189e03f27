-- cancel writes the outcome of a task that was taken back: "cancelled", or "unknown" where LINE may have it.
--
-- KEYS[1] the record
-- ARGV    1 kind  2 queue  3 retention, ms
-- Returns outcome, "1" if this call set it
local s = redis.call('HGET', KEYS[1], 's')
if s then return {s, '0'} end
local time = redis.call('TIME')
local open = redis.call('HEXISTS', KEYS[1], 'a') == 1 or (redis.call('HGET', KEYS[1], 'o') or '') ~= ''
  or (redis.call('HGET', KEYS[1], 'w') or '') ~= ''
redis.call('HSET', KEYS[1], 'c', '1', 'k', ARGV[1], 'q', ARGV[2],
  'd', string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if open then
  redis.call('HSET', KEYS[1], 's', 'unknown', 'r', 'unknown', 'e', 'cancelled while LINE may have had it')
  return {'unknown', '1'}
end
redis.call('HSET', KEYS[1], 's', 'cancelled')
redis.call('HDEL', KEYS[1], 'r', 'e')
return {'cancelled', '1'}
