-- lift ends the hold of a channel for one reason.
--
-- KEYS[1] the channel's state, see put
-- ARGV    1 reason
-- Returns "1" if the channel was held for it until now
local old = redis.call('HGET', KEYS[1], ARGV[1])
if not old then return '0' end
redis.call('HDEL', KEYS[1], ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local u = string.match(old, '^%d+\n(%d+)\n')
if u and u ~= '0' and tonumber(u) <= now then return '0' end
return '1'
