-- Drop the calls that have expired from the index, by the server's clock.
-- KEYS: calls
-- Returns how many there were.
-- include: call_clock
return redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now_ms() / 1000)
