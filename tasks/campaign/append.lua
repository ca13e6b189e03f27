-- append writes chunks of a draft.
--
-- KEYS 1 state  2 chunks  3 message
-- ARGV 1 token of the intake  2 how long it counts as alive, ms  3 lifetime of a draft, ms  4 number of the first  5… chunks, perhaps none
-- Returns 1, or 0 where the draft is another's
local v = redis.call('HMGET', KEYS[1], 'state', 'token')
if v[1] ~= 'draft' or v[2] ~= ARGV[1] then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[1], 'alive', string.format('%.0f', now + ARGV[2]))
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('PEXPIRE', KEYS[2], ARGV[3])
redis.call('PEXPIRE', KEYS[3], ARGV[3])
if #ARGV < 5 then return 1 end
local first = tonumber(ARGV[4]) - 5
local fields = {}
for i = 5, #ARGV do
  fields[#fields + 1] = string.format('%.0f', first + i)
  fields[#fields + 1] = ARGV[i]
end
redis.call('HSET', KEYS[2], unpack(fields))
redis.call('PEXPIRE', KEYS[2], ARGV[3])
return 1
