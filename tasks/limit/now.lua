-- The state of one channel's endpoint, and its own time. It stands before each of the scripts beside it.
--
-- KEYS[1] the state, a hash. Times in µs of the endpoint's own time t, which is Redis's clock less base: when that clock
--         is set back, base takes it up, so t never goes back and everything keeps its distance.
--           base      what t lacks to Redis's clock
--           last      t of the last change
--           tat       the theoretical arrival time of the next request
--           interval  µs between two requests at the limit: the longest of those that are in use
--           step      the same, with what is kept free; seen: when somebody last used it
--           share     the part of the rate that is used after a 429, as it was at slowed; it grows by itself
--           held      before this nobody goes
--           probe     the breaker is open, and the next probe is then; gap: µs until the one after that
--           taken     slots granted in the window'th ten seconds of t; before: in the ten seconds before. See usage.go
-- KEYS[2] the permits that are kept for those who come back: a sorted set of ids by t
local state = KEYS[1]
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local v = redis.call('HMGET', state, 'base', 'last', 'tat', 'interval', 'step', 'seen', 'share', 'slowed', 'held',
  'probe', 'gap', 'window', 'taken', 'before')
local function value(i) return tonumber(v[i] or nil) end
local base, last, tat, interval = value(1) or 0, value(2), value(3), value(4) or 0
local step, seen, share, slowed = value(5) or 0, value(6), value(7), value(8)
local held, probe, gap = value(9), value(10), value(11)
if last and now - base < last then base = now - last end
local t = now - base
if share then share = math.min(1, share + 0.05 * (t - slowed) / math.max(1000000, interval)) end

local function number(n) return string.format('%.3f', n) end
-- keep writes pairs of names and numbers; the state is forgotten an hour after its last slot.
local function keep(...)
  local pairs = {'base', number(base), 'last', number(t)}
  for i, x in ipairs({...}) do pairs[i + 4] = i % 2 == 0 and number(x) or x end
  redis.call('HSET', state, unpack(pairs))
  redis.call('PEXPIRE', state, string.format('%.0f', math.max(0, (tat or t) - t) / 1000 + 3600000))
end
