-- A worker says that it runs calls that are pinned to its version, until a time.
-- KEYS: workers of the version, versions
-- ARGV: 1 worker  2 for how long (ms)  3 version
-- Returns 1
-- include: call_clock
local now, LIFE_MS, DEAD_MS = now_ms(), 86400000, 60000
redis.call('PEXPIRE', KEYS[1], LIFE_MS) -- a write that needs no memory: after it, a full server lets the others through
redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - DEAD_MS)
redis.call('PEXPIRE', KEYS[1], LIFE_MS)
redis.call('ZADD', KEYS[2], now, ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - LIFE_MS)
redis.call('PEXPIRE', KEYS[2], LIFE_MS)
return 1
