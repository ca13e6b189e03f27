-- abandon gives up the live attempt of a worker that has died: from now on it counts as one whose answer was lost, and
-- begin need not wait until its time is over. Should the worker live after all, its end is heard as that of any attempt
-- which begin has given up.
--
-- KEYS[1] the record
-- ARGV    the workers that live
-- Returns 1 if an attempt was given up
local v = redis.call('HMGET', KEYS[1], 'a', 'o', 's', 'n')
local token, open, outcome = v[1], v[2] or '', v[3]
if not token or outcome then return 0 end
local worker = string.match(token, '^([^.]+)[.]')
if not worker then return 0 end
for _, living in ipairs(ARGV) do
  if living == worker then return 0 end
end
if #open < 350 then
  open = open .. token .. ','
elseif not string.find(open, '+', 1, true) then
  open = open .. '+'
end
local time = redis.call('TIME')
remember(KEYS[1], v[4] or 0, string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000)), 0, '', '',
  'its worker died before it had an answer', '')
redis.call('HSET', KEYS[1], 'o', open)
redis.call('HDEL', KEYS[1], 'a', 'u')
return 1
