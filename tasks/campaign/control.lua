-- control does what an operator, or a worker for its reasons, wants of a campaign.
--
-- ARGV 1 "pause" | "resume" | "cancel" | "checked" | "start"  2 reason  3 note  4 share of failures, "": as before
--      5 recipients that may be sent to, "": all  6 forecast, "": none
-- Returns "ok" | "state" where that isn't possible | "" where there is no such campaign
local v = redis.call('HMGET', KEYS[1], 'state', 'started', 'channel')
local state = v[1]
if not state then return '' end
local function over()
  return state == 'draft' or state == 'finished' or state == 'finished_with_failures' or state == 'cancelled'
end
if ARGV[6] ~= '' then redis.call('HSET', KEYS[1], 'forecast', ARGV[6]) end

if ARGV[1] == 'pause' then
  if over() then return 'state' end
  if state ~= 'paused' then pause(ARGV[2], ARGV[3]) end
  return 'ok'
end

if ARGV[1] == 'cancel' then
  if state == 'cancelled' then return 'ok' end
  if over() then return 'state' end
  redis.call('HSET', KEYS[1], 'state', 'cancelled', 'reason', ARGV[2], 'note', ARGV[3], 'finished', whole(now))
  expire()
  return 'ok'
end

if ARGV[1] == 'resume' then
  if over() then return 'state' end
  if ARGV[4] ~= '' then redis.call('HSET', KEYS[1], 'max', ARGV[4]) end
  if state ~= 'paused' then return 'ok' end
  local reason = redis.call('HGET', KEYS[1], 'reason')
  local c = redis.call('HMGET', KEYS[1], 'sent', 'failed', 'unknown')
  local bad = tonumber(c[2] or 0) + tonumber(c[3] or 0)
  redis.call('HSET', KEYS[1], 'basedone', whole(tonumber(c[1] or 0) + bad), 'basebad', whole(bad))
  redis.call('HDEL', KEYS[1], 'reason', 'note', 'pfuntil', 'rest')
  if not v[2] or reason == 'quota' then -- LINE is asked again before it goes on
    redis.call('HSET', KEYS[1], 'state', 'ready')
    redis.call('HDEL', KEYS[1], 'allow', 'taken')
    return 'ok'
  end
  redis.call('HSET', KEYS[1], 'state', 'sending', 'kick', '1')
  redis.call('HINCRBY', KEYS[1], 'epoch', 1)
  return 'ok'
end

-- The rest is a preflight's. Somebody may have paused or cancelled the campaign meanwhile.
if state ~= 'ready' then return 'state' end
if ARGV[1] == 'checked' then
  redis.call('HSET', KEYS[1], 'checked', '1')
  redis.call('HDEL', KEYS[1], 'pfuntil')
  return 'ok'
end
redis.call('HSET', KEYS[1], 'state', 'sending', 'kick', '1')
redis.call('HSETNX', KEYS[1], 'started', whole(now))
redis.call('HINCRBY', KEYS[1], 'epoch', 1)
if ARGV[5] ~= '' then redis.call('HSET', KEYS[1], 'allow', ARGV[5], 'taken', '0') end
return 'ok'
