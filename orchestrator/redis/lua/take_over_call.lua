-- An ingress claims the line of a call: it listens to the call from now on.
-- KEYS: listeners
-- ARGV: 1 the ingress's channel
-- Returns the channels of those that listened before. Of any two that claim it, the later one is told of the earlier one.
-- include: call_clock
local now = now_ms()
local before = redis.call('ZRANGEBYSCORE', KEYS[1], now, '+inf')
redis.call('ZADD', KEYS[1], now + 120000, ARGV[1])
redis.call('PEXPIRE', KEYS[1], 180000)
return before
