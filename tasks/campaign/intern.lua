-- intern gives texts of errors numbers, from 1; a campaign whose errors are of too many kinds has 0 for all others, and so
-- has one that is kept no more.
--
-- ARGV 1 how many kinds are kept  2… texts
-- Returns a number for each
local out = {}
local left = redis.call('PTTL', KEYS[2]) -- -1: it hasn't ended, -2: it is kept no more
for i = 2, #ARGV do
  local n = tonumber(redis.call('HGET', KEYS[8], ARGV[i]) or nil)
  if not n then
    n = redis.call('HLEN', KEYS[8]) + 1
    if n > tonumber(ARGV[1]) or left == -2 then n = 0 else redis.call('HSET', KEYS[8], ARGV[i], n) end
  end
  out[i - 1] = n
end
if left > 0 then redis.call('PEXPIRE', KEYS[8], left) end
return out
