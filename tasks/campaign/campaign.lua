-- What the scripts on a sealed campaign share. It stands before each of them.
--
-- KEYS 1 state  2 message  3 chunks  4 odd  5 units  6 open  7 wait  8 errors
--
-- state, a hash. Times are Unix ms of Redis's clock, unless they say otherwise.
--   state reason note channel hash mode created started finished
--   recipients rejected duplicates chunks   as the intake counted them
--   size block    recipients of a chunk, and of a unit of pushes
--   nc place      the next unit that nobody has claimed yet: its chunk, and the place in that of its first recipient
--   sent failed unknown requests replayed waited   and x:<code> for what failed or is unknown by reason
--   pace          how many were decided when: "<ms> <first> <last> <n>", the width of a bucket, the numbers of the first and
--                 of the last one, which are since 1970, and how many were decided in the last
--   paced         the same of the buckets before it: "<n> <n> …"
--   epoch         only lanes of this one may work
--   lane:<n>      who is lane n: "<epoch> <run> <worker>"
--   seen rest     when a lane last was here, and until when all of them wait on purpose
--   kick          there are no lanes for this epoch yet
--   at checked    when it may start; that its first preflight has gone well
--   pf pfuntil    number of the last preflight, and until when nobody needs to begin another
--   max           share of failures at which it pauses; basedone basebad: the counts at the last resume
--   rate tat      recipients a second, and when the next may go, µs
--   allow taken   how many recipients may be sent to, and how many were or are just being
--   keep keepcounts   retention, ms
--   told telluntil   that its end stands in the delivery log, and until when nobody else needs to see to it
--
-- chunks, a hash by number: see package chunk. odd, a hash by the number of a chunk that isn't as the others: "<size> <mode>".
-- errors, a hash of numbers by text, see intern.lua.
--
-- units, a hash by "<chunk>.<place>", of what was ever claimed:
--   <token> <until> <since> <generation> <passes> <first> <counted>\n<layout>\n<states>\n<entries>
--   token         of the pass that is under way, "-" if none is: <worker>.<lane>.<random>.<n>
--   until         when that pass counts as dead
--   since         the first attempt under this generation's retry keys, 0: none yet
--   passes        since somebody was last decided, without those that died or didn't ask LINE
--   first         how many of the pending parts that pass may try for the first time
--   counted       how many recipients it has added to taken
--   layout        "" for pushes: a part is one recipient. Else "<path>:<recipients>,…", a part is one multicast
--   states        one byte a part: p pending, o pending and LINE may have it, s sent, r sent (replayed), f failed, u unknown
--   entries       23 bytes a part, or nothing yet: request id, time (Unix s), number of an error, code of a reason
--
-- open and wait, sorted sets of the units that are begun but not decided, by when they may be claimed: open those that are
-- under way or have parts that LINE may have, wait all others.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function whole(n) return string.format('%.0f', n) end
local ENTRY = 23

local function readUnit(name)
  local rec = redis.call('HGET', KEYS[5], name)
  if not rec then return nil end
  local a = string.find(rec, '\n', 1, true)
  local b = string.find(rec, '\n', a + 1, true)
  local c = string.find(rec, '\n', b + 1, true)
  local u = {name = name, layout = string.sub(rec, a + 1, b - 1), states = string.sub(rec, b + 1, c - 1),
    entries = string.sub(rec, c + 1)}
  local token, till, since, generation, passes, first, counted =
    string.match(string.sub(rec, 1, a - 1), '^(%S+) (%d+) (%d+) (%d+) (%d+) (%d+) (%d+)$')
  u.token, u.till, u.since, u.generation = token, tonumber(till), tonumber(since), tonumber(generation)
  u.passes, u.first, u.counted = tonumber(passes), tonumber(first), tonumber(counted)
  return u
end

local function writeUnit(u)
  redis.call('HSET', KEYS[5], u.name, table.concat({u.token, whole(u.till), whole(u.since), u.generation, u.passes, u.first,
    u.counted}, ' ') .. '\n' .. u.layout .. '\n' .. u.states .. '\n' .. u.entries)
end

-- parts lists the paths and the sizes of a layout; nil for pushes, whose parts are one recipient each.
local function parts(layout)
  if layout == '' then return nil end
  local paths, sizes = {}, {}
  for path, size in string.gmatch(layout, '([^,:]*):(%d+)') do
    paths[#paths + 1] = path
    sizes[#sizes + 1] = tonumber(size)
  end
  return paths, sizes
end

-- changes of the counts, which count adds up and keepCounts writes.
local changes = {}
local function count(name, n)
  if n ~= 0 then changes[name] = (changes[name] or 0) + n end
end

-- keepPace adds n to the bucket of now. Once a bucket, what has passed is written; when there are too many, two become one.
local BUCKETS = 240
local function keepPace(n)
  local width, first, last, sum = string.match(redis.call('HGET', KEYS[1], 'pace') or '', '^(%d+) (%d+) (%d+) (%d+)$')
  width, sum = tonumber(width or 1000), tonumber(sum or 0)
  local bucket = math.floor(now / width)
  first, last = tonumber(first or bucket), tonumber(last or bucket)
  bucket = math.max(bucket, last) -- the clock may be another one's after a failover
  if bucket > last then
    local past = {}
    for c in string.gmatch(redis.call('HGET', KEYS[1], 'paced') or '', '%d+') do past[#past + 1] = tonumber(c) end
    past[#past + 1] = sum
    while bucket - first >= BUCKETS do
      local half, halves = math.floor(first / 2), {}
      for i, c in ipairs(past) do
        local k = math.floor((first + i - 1) / 2) - half + 1
        halves[k] = (halves[k] or 0) + c
      end
      past, width, first, bucket = halves, width * 2, half, math.floor(bucket / 2)
    end
    sum = 0
    if #past > bucket - first then sum = table.remove(past) end
    while #past < bucket - first do past[#past + 1] = 0 end
    redis.call('HSET', KEYS[1], 'paced', table.concat(past, ' '))
  end
  redis.call('HSET', KEYS[1], 'pace', table.concat({whole(width), whole(first), whole(bucket), whole(sum + n)}, ' '))
end

-- keepCounts also tells the pace, of those who are decided now and weren't: whoever was unknown and is sent was told then.
local function keepCounts()
  local decided = (changes.sent or 0) + (changes.failed or 0) + (changes.unknown or 0)
  if decided > 0 then keepPace(decided) end
  for name, n in pairs(changes) do
    if n ~= 0 then redis.call('HINCRBY', KEYS[1], name, whole(n)) end
  end
  changes = {}
end

-- expire lets what an ended campaign needs no more disappear in time.
local function expire()
  local keep = redis.call('HMGET', KEYS[1], 'keep', 'keepcounts')
  redis.call('PEXPIRE', KEYS[1], keep[2])
  for i = 2, 8 do redis.call('PEXPIRE', KEYS[i], keep[1]) end
end

-- finish ends a campaign of which everybody is decided.
local function finish()
  local c = redis.call('HMGET', KEYS[1], 'state', 'recipients', 'sent', 'failed', 'unknown')
  local sent, bad = tonumber(c[3] or 0), tonumber(c[4] or 0) + tonumber(c[5] or 0)
  if c[1] == 'cancelled' or sent + bad < tonumber(c[2]) then return c[1] end
  local state = bad == 0 and 'finished' or 'finished_with_failures'
  if c[1] ~= state then
    redis.call('HSET', KEYS[1], 'state', state)
    redis.call('HSETNX', KEYS[1], 'finished', whole(now))
    redis.call('HDEL', KEYS[1], 'reason', 'note')
    expire()
  end
  return state
end

-- pause stops a campaign that is sending.
local function pause(reason, note)
  redis.call('HSET', KEYS[1], 'state', 'paused', 'reason', reason, 'note', note)
end
