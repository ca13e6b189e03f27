-- limited slows the endpoint down after a 429, for everybody.
--
-- ARGV 1 interval of the caller's limit, µs
interval = math.max(interval, tonumber(ARGV[1]))
-- One burst of 429s is one event.
if slowed and t - slowed < 200000 then return end
local pause = math.max(50000, interval)
tat = math.max(tat or t, t)
if interval >= 1000000 then
  -- Kept permits wait, too: the endpoint's time stands still, so each keeps its place.
  base, t = base + pause, t - pause
else
  held = t + pause
  tat = math.max(tat, held)
  keep('held', held)
end
keep('tat', tat, 'share', math.max(1 / 64, 0.9 * (share or 1)), 'slowed', t)
