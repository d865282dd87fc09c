-- Cluster: the due calls of a shard. Each is due again later, so that no other worker inspects it meanwhile, and
-- somebody does if this one dies.
-- KEYS: due, rounds
-- ARGV: 1 most calls  2 when to look again (ms)  3 grace after an outage (ms), 0 for none
--       4 for how long Redis was silent to the caller since its last search (ms)
-- Returns {call_sid, its new score, …}
-- include: call_clock
-- include: call_numbers
-- include: call_rounds
local now = now_ms()
if not may_rescue(KEYS[2], now, tonumber(ARGV[3]), tonumber(ARGV[4])) then return {} end
local ripe = {}
for _, call_sid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))) do
  local again = now + tonumber(ARGV[2])
  redis.call('ZADD', KEYS[1], again, call_sid)
  ripe[#ripe + 1] = call_sid
  ripe[#ripe + 1] = string.format('%.0f', again)
end
return ripe
