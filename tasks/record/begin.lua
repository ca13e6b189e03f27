-- begin opens an attempt at a task, or says why there is none to open. One script, so that of two runs of one task
-- exactly one calls LINE. Redis's clock, so that workers whose clocks differ agree.
--
-- KEYS[1] the record
-- ARGV    1 token of this attempt          5 hash of the content, "": can't be told
--         2 how long it may last, ms       6 "1" if it may be repeated after an attempt whose answer was lost
--         3 horizon, ms                    7 deadline, Unix ms, 0: none
--         4 retention of a failure, ms     8 kind       9 queue
-- Fields  k kind  q queue  h hash  s outcome  r reason  e error  i request id  y replayed  n attempts  g generation
--         f first attempt  b first attempt under the present key  d decided  p progress  c cancel asked for
--         a token of the live attempt, as "<worker>.<random>"  u until when it lives
--         o attempts that LINE may have had: tokens of those that can still end, "+" for all that can't
--         w the same, of before it was run again under another key or without one  l see earlier.lua
-- Returns "go", attempts, generation, open, progress | "busy", ms to wait | "other" |
--         "decided", outcome, "1" if by this call, reason, error, request id, replayed, attempts
local key = KEYS[1]
local v = redis.call('HMGET', key, 's', 'h', 'a', 'u', 'o', 'b', 'r', 'e', 'g', 'p', 'i', 'y', 'n', 'w', 'f')
local outcome, hash, token, live, open, since = v[1], v[2], v[3], v[4], v[5] or '', tonumber(v[6] or nil)
if outcome then
  return {'decided', outcome, '0', v[7] or '', v[8] or '', v[11] or '', v[12] or '', v[13] or '0'}
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function ms(n) return string.format('%.0f', n) end
if token == ARGV[1] then
  -- The client asks again because the connection broke before it had the answer: its call is yet to come.
  redis.call('HSET', key, 'u', ms(now + ARGV[2]))
  return {'go', v[13], v[9] or '0', open ~= '' and '1' or '0', v[10] or ''}
end
if hash and ARGV[5] ~= '' and hash ~= ARGV[5] then return {'other'} end

-- One command writes it all: each costs Redis about as much as the rest of this script.
local function keep(...)
  local fields = {'k', ARGV[8], 'q', ARGV[9], ...}
  if not hash and ARGV[5] ~= '' then
    fields[#fields + 1] = 'h'
    fields[#fields + 1] = ARGV[5]
  end
  redis.call('HSET', key, unpack(fields))
end
local function decide(as, reason, text)
  keep('s', as, 'r', reason, 'e', text, 'd', ms(now))
  redis.call('PEXPIRE', key, ARGV[4])
  return {'decided', as, '1', reason, text, v[11] or '', '', v[13] or '0'}
end

if token then
  local left = tonumber(live) - now
  if left > 0 then return {'busy', ms(left)} end
  -- The run that opened it died or froze; whether LINE has the request, nobody knows.
  if #open < 350 then
    open = open .. token .. ','
  elseif not string.find(open, '+', 1, true) then
    open = open .. '+'
  end
  remember(key, v[13] or 0, live, 0, '', '', 'its worker died or froze before it had an answer', '')
  redis.call('HSET', key, 'o', open)
  redis.call('HDEL', key, 'a', 'u')
end

local past = since and now - since > tonumber(ARGV[3])
local deadline = tonumber(ARGV[7])
local expired = deadline > 0 and now >= deadline
if open ~= '' then
  -- What the record says of the last answer may be about another attempt than the one that is open.
  if ARGV[6] ~= '1' then return decide('unknown', 'unknown', 'no answer came, and a repeat could do harm') end
  if past then return decide('unknown', 'unknown', 'no answer came while a repeat was safe') end
  if expired then return decide('unknown', 'unknown', 'no answer came before the deadline') end
elseif expired and (v[14] or '') ~= '' then
  return decide('unknown', 'unknown', 'an earlier attempt got no answer, and the deadline has passed')
elseif expired then
  return decide('failed', 'expired', 'the deadline passed before LINE took it')
end

local generation, n = v[9] or '0', ms(tonumber(v[13] or 0) + 1)
if past then generation = ms(tonumber(generation) + 1) end
-- A field that has its value already keeps it; g stays away while it is 0.
local first, began = v[15] or ms(now), not past and v[6] or ms(now)
if past then
  keep('a', ARGV[1], 'u', ms(now + ARGV[2]), 'n', n, 'f', first, 'b', began, 'g', generation)
else
  keep('a', ARGV[1], 'u', ms(now + ARGV[2]), 'n', n, 'f', first, 'b', began)
end
return {'go', n, generation, open ~= '' and '1' or '0', v[10] or ''}
