-- Count the active calls, by the server's clock.
-- KEYS: calls
-- Returns how many have not expired.
-- include: call_clock
return redis.call('ZCOUNT', KEYS[1], '(' .. now_ms() / 1000, '+inf')
