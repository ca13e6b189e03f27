-- breaker opens and closes an endpoint's breaker, for everybody.
--
-- ARGV 1 "open", "close": LINE serves again, or "failed": a probe did
--      2 µs between probes at first   3 µs at most   4 the share of the rate after it closed
local what = ARGV[1]
if what == 'open' and not probe then
  keep('probe', t + tonumber(ARGV[2]), 'gap', tonumber(ARGV[2]))
elseif what == 'failed' and probe then
  gap = math.min(tonumber(ARGV[3]), 2 * gap)
  keep('probe', t + gap, 'gap', gap)
elseif what == 'close' and probe then
  redis.call('HDEL', state, 'probe', 'gap')
  keep('share', math.min(share or 1, tonumber(ARGV[4])), 'slowed', t)
end
