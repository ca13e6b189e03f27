-- lane lets a worker take a lane over, if it may still run.
--
-- ARGV 1 epoch  2 lane  3 run  4 worker
-- Returns state, or "replaced"
local v = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'lane:' .. ARGV[2])
if not v[1] or v[2] ~= ARGV[1] then return 'replaced' end
local epoch, run = string.match(v[3] or '', '^(%d+) (%d+) ')
if epoch == ARGV[1] and tonumber(run) > tonumber(ARGV[3]) then return 'replaced' end
redis.call('HSET', KEYS[1], 'lane:' .. ARGV[2], ARGV[1] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4], 'seen', whole(now))
return v[1]
