-- draft begins a campaign, or begins it anew where an earlier intake has died. A dry run makes room for the real one.
--
-- KEYS all of the campaign's, the state first
-- ARGV 1 token of the intake  2 how long it counts as alive, ms  3 lifetime of a draft, ms  4 channel  5 fingerprint
--      6 plan  7 mode
-- Returns "new" | "busy" | "exists", channel, fingerprint
local v = redis.call('HMGET', KEYS[1], 'state', 'token', 'alive', 'channel', 'hash', 'reason')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local dry = v[1] == 'cancelled' and v[6] == 'dry_run'
if v[1] and v[1] ~= 'draft' and not dry then return {'exists', v[4], v[5]} end
if v[1] == 'draft' and v[2] ~= ARGV[1] and tonumber(v[3]) > now then return {'busy'} end
redis.call('UNLINK', unpack(KEYS))
redis.call('HSET', KEYS[1], 'state', 'draft', 'token', ARGV[1], 'alive', string.format('%.0f', now + ARGV[2]),
  'channel', ARGV[4], 'hash', ARGV[5], 'mode', ARGV[7], 'created', string.format('%.0f', now))
redis.call('SET', KEYS[2], ARGV[6], 'PX', ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return {'new'}
