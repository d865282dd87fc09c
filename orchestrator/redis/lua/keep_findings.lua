-- Say that findings are there now, and since when each has been without a gap.
-- KEYS: findings (hash: id → since and when it was last seen, both in seconds)
-- ARGV: 1 now (s)  2 longest gap (s)  3 most that are kept  4… ids
-- Returns since when each of them has been there
local now, gap, answer = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
local kept = redis.call('HGETALL', KEYS[1])
local function times_in(text)
  local since, seen = string.match(text, '^([%d.]+)|([%d.]+)$')
  return tonumber(since or ''), tonumber(seen or '')
end
if #kept > 2 * tonumber(ARGV[3]) then
  redis.call('DEL', KEYS[1])
  kept = {}
end
local known = {}
for i = 1, #kept, 2 do
  local since, seen = times_in(kept[i + 1])
  if since and seen and now - seen <= gap then known[kept[i]] = since else redis.call('HDEL', KEYS[1], kept[i]) end
end
for i = 4, #ARGV do
  local since = string.format('%.3f', math.min(known[ARGV[i]] or now, now))
  redis.call('HSET', KEYS[1], ARGV[i], since .. '|' .. string.format('%.3f', now))
  answer[#answer + 1] = since
end
if #ARGV > 3 then redis.call('EXPIRE', KEYS[1], math.ceil(gap) + 60) end
return answer
