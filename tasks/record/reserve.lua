-- reserve writes a caller's own id down before its task is enqueued, unless it is there already.
--
-- KEYS[1] the record
-- ARGV    1 kind  2 queue  3 hash
-- Returns queue, hash, outcome ("" while undecided) of what stands there now, "1" if it did before
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('HSET', KEYS[1], 'k', ARGV[1], 'q', ARGV[2], 'h', ARGV[3])
  return {ARGV[2], ARGV[3], '', '0'}
end
local v = redis.call('HMGET', KEYS[1], 'q', 'h', 's')
return {v[1] or ARGV[2], v[2] or ARGV[3], v[3] or '', '1'}
