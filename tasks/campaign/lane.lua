-- lane lets a worker take a lane over, if it may still run. Where another worker had this very run, that one is dead or
-- was taken for it: what it has under way may be claimed at once.
--
-- ARGV 1 epoch  2 lane  3 run  4 worker
-- Returns state, or "replaced"
local v = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'lane:' .. ARGV[2])
if not v[1] or v[2] ~= ARGV[1] then return 'replaced' end
local epoch, run, worker = string.match(v[3] or '', '^(%d+) (%d+) (.*)$')
if epoch ~= ARGV[1] then run = nil end
if run and tonumber(run) > tonumber(ARGV[3]) then return 'replaced' end
if run == ARGV[3] and worker ~= ARGV[4] then
  local prefix = worker .. '.' .. ARGV[2] .. '.'
  for _, name in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
    if string.sub(readUnit(name).token, 1, #prefix) == prefix then redis.call('ZADD', KEYS[6], 0, name) end
  end
end
redis.call('HSET', KEYS[1], 'lane:' .. ARGV[2], ARGV[1] .. ' ' .. ARGV[3] .. ' ' .. ARGV[4], 'seen', whole(now))
return v[1]
