-- reopen takes the outcome off a task that is to run again.
--
-- KEYS[1] the record
-- ARGV    1 horizon, ms  2 what a repeat is: "keyed" (safe with LINE's retry or resume key), "harmless", "doubles"
-- Returns "undecided", "sent" (refused), "safe" or "risky" (LINE may do it a second time)
local key = KEYS[1]
local v = redis.call('HMGET', key, 's', 'a', 'o', 'b', 'w', 'n', 'd', 'r', 'i', 'e')
local outcome, token, open, since, former = v[1], v[2], v[3] or '', tonumber(v[4] or nil), v[5] or ''
if not outcome then return 'undecided' end
if outcome == 'sent' then return 'sent' end

remember(key, v[6] or 0, v[7] or 0, 0, v[8] or '', v[9] or '', v[10] or '', outcome)
redis.call('HDEL', key, 's', 'd', 'c', 'a', 'u', 'r', 'e')
redis.call('PERSIST', key)
-- An attempt still under way counts as one nobody heard the end of.
if token then open = open .. token .. ',' end
if outcome ~= 'unknown' then
  -- LINE certainly doesn't have it; begin takes a new key by itself where the old one is too old.
  redis.call('HDEL', key, 'o')
  return 'safe'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if ARGV[2] == 'keyed' and since and now - since <= tonumber(ARGV[1]) then
  redis.call('HSET', key, 'o', open)
  return former == '' and 'safe' or 'risky'
end
-- What LINE may have had from before stays on record: a refusal of the new attempt says nothing about it.
former = former .. open
if #former > 350 then former = '+' end
redis.call('HSET', key, 'w', former)
redis.call('HDEL', key, 'o', 'b')
redis.call('HINCRBY', key, 'g', 1)
return ARGV[2] == 'harmless' and 'safe' or 'risky'
