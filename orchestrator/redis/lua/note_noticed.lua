-- Note that a call has noticed an incident, once for each of its turns as long as they are listed.
-- KEYS: incident (hash), noticed (hash: call and turn → what it noticed, as JSON)
-- ARGV: 1 call and turn  2 what it noticed (JSON)  3 how much longer the turn took (ms)  4 most that are listed  5 life (s)
-- Returns 1, or 0 if there is no such incident, or it was noted before
if not redis.call('HGET', KEYS[1], 'at') then return 0 end
if redis.call('HLEN', KEYS[2]) < tonumber(ARGV[4]) then
  if redis.call('HSETNX', KEYS[2], ARGV[1], ARGV[2]) == 0 then return 0 end
elseif redis.call('HGET', KEYS[2], ARGV[1]) then
  return 0
end
local known = redis.call('HMGET', KEYS[1], 'count', 'worst')
local worst = math.max(tonumber(known[2] or '') or 0, tonumber(ARGV[3]))
redis.call('HSET', KEYS[1], 'count', string.format('%.0f', (tonumber(known[1] or '') or 0) + 1),
  'worst', string.format('%.1f', worst))
redis.call('EXPIRE', KEYS[1], ARGV[5])
redis.call('EXPIRE', KEYS[2], ARGV[5])
return 1
