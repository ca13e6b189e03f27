-- take grants slots, at one interval from one another, or says when one could be had.
--
-- ARGV 1 interval of the caller's limit, µs     6 how far behind its time the line may be taken up again, µs
--      2 the same with what is kept free         7 how late a kept permit may be used, µs
--      3 slots wanted                            8 how far ahead the line is where only one slot is granted, µs
--      4 how early a slot may be, µs             9 Redis's clock as the caller's runs, µs; 0: it can't tell
--      5 how far off a slot may be, µs          10 id under which a slot farther off is kept; "": none is
--                                               11 how soon a slot is of use, as the answer takes long, µs; 0: at once
-- Returns what: 0 granted, 1 too far off, 2 the breaker is open; Redis's clock, µs; the first slot, ns from now; slots;
--         ns between them; the interval that is kept, ns; 1 if a permit is kept under the id; 1 if this is a probe
local ours, wanted, early = tonumber(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local patience, id, soonest = tonumber(ARGV[5]), ARGV[10], tonumber(ARGV[11])
local change = {}
local function set(name, x) change[#change + 1] = name; change[#change + 1] = x end

-- The longest interval wins while somebody uses it.
if ours > 0 and (ours >= interval or t - seen > 60000000) then
  if ours ~= interval or t - seen > 10000000 then set('seen', t) end
  if ours ~= interval then set('interval', ours); set('step', tonumber(ARGV[2])) end
  interval, step = ours, tonumber(ARGV[2])
end
if ours == 0 then step = 0 end
local spacing = step / (share or 1)

local function answer(what, first, n, kept)
  return {what, now, math.floor(first * 1000), n, math.floor(spacing * 1000), math.floor(interval * 1000 + 0.5), kept, probe and 1 or 0}
end
if probe and t < probe then return answer(2, probe - t, 0, 0) end

-- Redis's clock was set ahead, if it ran away from the caller's since the last change; nobody was idle for so long.
local mine = tonumber(ARGV[9]) - base
if tat and mine >= last and t - mine > 250000 then
  tat = math.max(tat, t + math.min(tat - mine, math.max(spacing, tonumber(ARGV[8]))))
end

if id ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. number(t - tonumber(ARGV[7])))
  local at = tonumber(redis.call('ZSCORE', KEYS[2], id) or nil)
  if at then
    if probe and at <= t + patience then keep('probe', math.max(at, t) + gap) end
    return answer(0, at - t, 1, 1)
  end
end

tat = math.max(tat or 0, t - tonumber(ARGV[6]))
local first = math.max(tat - early, held or 0)
local n = wanted
if spacing > 0 then
  n = math.min(n, math.max(1, math.floor(n * (1 - (tat - t - soonest) / tonumber(ARGV[8])) + 0.5)))
  n = math.min(n, math.floor((t + patience - first) / spacing) + 1)
end
if probe then n = math.min(n, 1) end
if first > t + patience and id == '' then return answer(1, first - t, 0, 0) end

n = math.max(n, 1)
-- Who hears of slots too late lets them lapse, each time again: the line waits for them.
if soonest > 0 then
  local wait = math.max(0, t + soonest - first)
  first, tat = first + wait, tat + wait
end
tat = tat + n * spacing
if probe and first <= t + patience then set('probe', math.max(first, t) + gap) end
local window, taken, before = math.floor(t / 10000000), value(13) or 0, value(14) or 0
if window ~= value(12) then taken, before = 0, window - 1 == value(12) and taken or 0 end
keep('tat', tat, 'window', window, 'taken', taken + n, 'before', before, unpack(change))
if id ~= '' and first > t then
  redis.call('ZADD', KEYS[2], number(first), id)
  redis.call('PEXPIRE', KEYS[2], string.format('%.0f', math.max(0, tat - t) / 1000 + 3600000))
  return answer(0, first - t, 1, 1)
end
return answer(0, first - t, n, 0)
