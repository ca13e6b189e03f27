-- close ends a pass with what became of each part. After its time another pass may have begun: then only what LINE accepted
-- counts, which is the last word on anybody.
--
-- ARGV 1 unit  2 token of the pass  3 calls to LINE  4 when to come back, ms  5 layout, "=" if it is as before  6 states
--      7 entries  8 how long its requests have waited for their turns, ms
-- Returns state, "1" if the pass was this one's
local u = readUnit(ARGV[1])
if not u then return {redis.call('HGET', KEYS[1], 'state') or '', '0'} end
local mine = u.token == ARGV[2]
local oldPaths, oldSizes = parts(u.layout)
local paths, sizes = oldPaths, oldSizes
if ARGV[5] ~= '=' then paths, sizes = parts(ARGV[5]) end
local from -- the old number of each path, where they changed
if ARGV[5] ~= '=' then
  from = {}
  for i, path in ipairs(oldPaths) do from[path] = i end
end
local function occurrences(states, s)
  local _, n = string.gsub(states, s, s)
  return n
end
local opens, left, decided = 0, 0, 0
if mine and not from and not sizes and u.entries == '' and not string.find(ARGV[6], '[fu]') then
  -- The usual end of pushes: nothing stood there before, and none has failed.
  local replays = occurrences(ARGV[6], 'r')
  decided = occurrences(ARGV[6], 's') + replays
  opens, left = occurrences(ARGV[6], 'o'), #ARGV[6] - decided
  count('sent', decided)
  count('replayed', replays)
  u.states, u.entries = ARGV[6], ARGV[7]
else
  local pendings = {[112] = true, [111] = true}
  local new = {string.byte(ARGV[6], 1, -1)}
  local old = {string.byte(u.states, 1, -1)}
  if not mine and (from or #new ~= #old) then return {redis.call('HGET', KEYS[1], 'state') or '', '0'} end
  local blank = string.rep('\0', ENTRY)
  local entries = {}
  for i, s in ipairs(new) do
    local was = i
    if from then was = from[paths[i]] end
    local before = was and old[was] or 112
    local n = sizes and sizes[i] or 1
    local entry = string.sub(ARGV[7], (i - 1) * ENTRY + 1, i * ENTRY)
    local accepted = s == 115 or s == 114
    local keep
    if mine then keep = not pendings[before] else keep = not (accepted and (pendings[before] or before == 117)) end
    if keep then
      s = before
      entry = blank
      if was and u.entries ~= '' then entry = string.sub(u.entries, (was - 1) * ENTRY + 1, was * ENTRY) end
    elseif not pendings[s] then
      decided = decided + n
      if accepted then
        count('sent', n)
        if s == 114 then count('replayed', n) end
        if before == 117 then
          count('unknown', -n)
          count('x:' .. string.sub(u.entries, was * ENTRY, was * ENTRY), -n)
        end
      else
        count(s == 102 and 'failed' or 'unknown', n)
        count('x:' .. string.sub(entry, ENTRY, ENTRY), n)
      end
    end
    new[i] = s
    entries[i] = entry
    if s == 111 then opens = opens + 1 end
    if pendings[s] then left = left + n end
  end
  u.states = string.char(unpack(new))
  u.entries = table.concat(entries)
end
if from and mine then u.layout = ARGV[5] end
count('requests', tonumber(ARGV[3]))
count('waited', tonumber(ARGV[8]))
if mine then
  if redis.call('HEXISTS', KEYS[1], 'allow') == 1 then count('taken', decided - u.counted) end
  u.token, u.till, u.first, u.counted = '-', 0, 0, 0
  if decided > 0 then
    u.passes = 0
  elseif tonumber(ARGV[3]) == 0 then
    u.passes = math.max(0, u.passes - 1) -- LINE wasn't asked
  end
end
writeUnit(u)
if left == 0 then
  redis.call('ZREM', KEYS[6], u.name)
  redis.call('ZREM', KEYS[7], u.name)
elseif mine and opens > 0 then
  redis.call('ZADD', KEYS[6], whole(now + ARGV[4]), u.name)
  redis.call('ZREM', KEYS[7], u.name)
elseif mine then
  redis.call('ZREM', KEYS[6], u.name)
  -- Of a cancelled campaign nothing waits, and what came now would stay for ever.
  if redis.call('HGET', KEYS[1], 'state') ~= 'cancelled' then redis.call('ZADD', KEYS[7], whole(now + ARGV[4]), u.name) end
end
keepCounts()
redis.call('HSET', KEYS[1], 'seen', whole(now))
local state = finish()
if state == 'sending' then
  local c = redis.call('HMGET', KEYS[1], 'max', 'sent', 'failed', 'unknown', 'basedone', 'basebad')
  local max, bad = tonumber(c[1] or 0), tonumber(c[3] or 0) + tonumber(c[4] or 0)
  local done = tonumber(c[2] or 0) + bad - tonumber(c[5] or 0)
  bad = bad - tonumber(c[6] or 0)
  if max > 0 and done >= 100 and bad > max * done then
    pause('failures', whole(bad) .. ' of ' .. whole(done) .. ' recipients failed or are unknown')
    state = 'paused'
  end
end
return {state, mine and '1' or '0'}
