-- intern gives texts of errors numbers, from 1; a campaign whose errors are of too many kinds has 0 for all others.
--
-- ARGV 1 how many kinds are kept  2… texts
-- Returns a number for each
local out = {}
for i = 2, #ARGV do
  local n = tonumber(redis.call('HGET', KEYS[8], ARGV[i]) or nil)
  if not n then
    n = redis.call('HLEN', KEYS[8]) + 1
    if n > tonumber(ARGV[1]) then n = 0 else redis.call('HSET', KEYS[8], ARGV[i], n) end
  end
  out[i - 1] = n
end
return out
