-- List the active calls, by the server's clock.
-- KEYS: calls
-- Returns the call SIDs of those that have not expired.
-- include: call_clock
return redis.call('ZRANGEBYSCORE', KEYS[1], '(' .. now_ms() / 1000, '+inf')
