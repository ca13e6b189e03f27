-- look says what a campaign needs of a worker, and lets only one of them do it.
--
-- ARGV 1 how long no lane may have been here, ms  2 how long a preflight may take to begin, ms  3 how long the telling of its
--      end may take, ms  4 "1" if the worker does what it is told; else it only wants to know how the campaign stands
-- Returns state, what: "" | "preflight" | "lanes" | "tell" | "gone"; number of the preflight; epoch
local v = redis.call('HMGET', KEYS[1], 'state', 'epoch', 'seen', 'rest', 'kick', 'at', 'checked', 'pf', 'pfuntil', 'told', 'telluntil')
local state = v[1]
if not state then return {'', 'gone', '0', '0'} end
local epoch = v[2] or '0'
if state == 'draft' then return {state, '', '0', epoch} end
if state == 'finished' or state == 'finished_with_failures' or state == 'cancelled' and redis.call('ZCARD', KEYS[6]) == 0 then
  if v[10] then return {state, 'gone', '0', epoch} end
  if tonumber(v[11] or 0) > now or ARGV[4] ~= '1' then return {state, '', '0', epoch} end
  redis.call('HSET', KEYS[1], 'telluntil', whole(now + ARGV[3]))
  return {state, 'tell', '0', epoch}
end
if ARGV[4] ~= '1' then return {state, '', '0', epoch} end
if state == 'ready' then
  local due = not v[7] or tonumber(v[6] or 0) <= now
  if not due or tonumber(v[9] or 0) > now then return {state, '', '0', epoch} end
  redis.call('HSET', KEYS[1], 'pfuntil', whole(now + ARGV[2]))
  return {state, 'preflight', tostring(redis.call('HINCRBY', KEYS[1], 'pf', 1)), epoch}
end
-- sending, or paused or cancelled with something that LINE may have
if state ~= 'sending' and redis.call('ZCARD', KEYS[6]) == 0 then return {state, '', '0', epoch} end
local last = math.max(tonumber(v[3] or 0), tonumber(v[4] or 0))
if v[5] then
  redis.call('HDEL', KEYS[1], 'kick')
  redis.call('HSET', KEYS[1], 'seen', whole(now))
  return {state, 'lanes', '0', epoch}
end
if now - last <= tonumber(ARGV[1]) then return {state, '', '0', epoch} end
redis.call('HSET', KEYS[1], 'seen', whole(now))
return {state, 'lanes', '0', tostring(redis.call('HINCRBY', KEYS[1], 'epoch', 1))}
