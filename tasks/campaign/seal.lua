-- seal makes a draft a campaign that can be sent. One without recipients has ended.
--
-- KEYS 1 state  2 message  3 chunks  4 odd  5 units  6 open  7 wait  8 errors
-- ARGV 1 token of the intake  2 recipients  3 rejected  4 duplicates  5 chunks  6 recipients of a chunk  7 of a block
--      8 share of failures at which it pauses  9 recipients a second, 0: any  10 retention of recipients, ms  11 of counts, ms
--      12 not before, Unix ms, 0: at once  13… pairs of an odd chunk's number, and its size and mode
-- Returns "sealed" | "lost" | how many chunks there are
local v = redis.call('HMGET', KEYS[1], 'state', 'token')
if v[2] ~= ARGV[1] then return 'lost' end
if v[1] ~= 'draft' then return 'sealed' end
local have = redis.call('HLEN', KEYS[3])
if have ~= tonumber(ARGV[5]) then return tostring(have) end
for i = 13, #ARGV, 2 do redis.call('HSET', KEYS[4], ARGV[i], ARGV[i + 1]) end
redis.call('HSET', KEYS[1], 'state', 'ready', 'recipients', ARGV[2], 'rejected', ARGV[3], 'duplicates', ARGV[4],
  'chunks', ARGV[5], 'size', ARGV[6], 'block', ARGV[7], 'max', ARGV[8], 'rate', ARGV[9], 'keep', ARGV[10], 'keepcounts', ARGV[11], 'at', ARGV[12])
redis.call('HDEL', KEYS[1], 'alive')
for i = 1, 4 do redis.call('PERSIST', KEYS[i]) end
if tonumber(ARGV[2]) == 0 then finish() end
return 'sealed'
