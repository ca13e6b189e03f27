-- free lets what a dead worker has under way be claimed at once. Should it live after all, it is heard as one that is late.
--
-- ARGV 1 worker
-- Returns how many passes those were
local prefix, n = ARGV[1] .. '.', 0
for _, name in ipairs(redis.call('ZRANGE', KEYS[6], 0, -1)) do
  if string.sub(readUnit(name).token, 1, #prefix) == prefix then
    redis.call('ZADD', KEYS[6], 0, name)
    n = n + 1
  end
end
return n
