-- List the active calls that were written last, by the server's clock, the latest first.
-- KEYS: calls
-- ARGV: 1 only those with this score or a higher one, '' for all  2 at most so many
-- Returns {how many calls are active, {call SID, score, …}}
-- include: call_clock
local now = now_ms() / 1000
local from = tonumber(ARGV[1]) and tonumber(ARGV[1]) > now and ARGV[1] or '(' .. now
local found = redis.call('ZRANGE', KEYS[1], '(+inf', from, 'BYSCORE', 'REV', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
return {redis.call('ZCOUNT', KEYS[1], '(' .. now, '(+inf'), found}
