-- remember keeps what became of an attempt that isn't the last one: of the last eight. It stands before the scripts beside
-- it; a task whose first attempt is its last one never calls it.
--
-- Field l: one line each, a JSON array of attempt, Unix ms, status, reason, request id, error, outcome
local function remember(key, n, at, status, reason, id, text, outcome)
  local list = redis.call('HGET', key, 'l')
  local line = cjson.encode({tostring(n), tostring(at), tostring(status), reason, id, string.sub(text, 1, 300), outcome})
  list = list and list .. '\n' .. line or line
  local _, breaks = string.gsub(list, '\n', '')
  if breaks >= 8 then list = string.sub(list, string.find(list, '\n', 1, true) + 1) end
  redis.call('HSET', key, 'l', list)
end
