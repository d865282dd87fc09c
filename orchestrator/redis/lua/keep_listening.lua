-- An ingress goes on listening to a call.
-- KEYS: listeners, state
-- ARGV: 1 the ingress's channel
-- Returns {1 if it did not listen any more, else 0, the version of the state or ''}
-- include: call_clock
local now = now_ms()
local till = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[1]) or 0)
redis.call('ZADD', KEYS[1], now + 120000, ARGV[1])
redis.call('PEXPIRE', KEYS[1], 180000)
local front = redis.call('GETRANGE', KEYS[2], 0, 40)
return {till > now and 0 or 1, string.match(front, '^{"version":(%d+)') or ''}
