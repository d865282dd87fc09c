-- Take a waiting turn off the inbox and record its result, without running it.
-- KEYS: inbox, turns, lease, listeners
-- ARGV: 1 turn id  2 result JSON  3 message for listeners
-- Returns 1, or 0 when the turn no longer waits or is the one that runs
-- include: call_clock
local now = now_ms()
local entry = redis.call('HGET', KEYS[2], ARGV[1])
if not entry or string.sub(entry, 1, 1) ~= 'P' then return 0 end
local held = redis.call('HMGET', KEYS[3], 'holder', 'until', 'turn')
if held[1] and held[1] ~= '' and held[3] == ARGV[1] then return 0 end
redis.call('LREM', KEYS[1], 1, ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], 'R' .. ARGV[2])
for _, channel in ipairs(redis.call('ZRANGEBYSCORE', KEYS[4], now, '+inf')) do
  redis.call('PUBLISH', channel, ARGV[3])
end
return 1
