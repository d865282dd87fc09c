-- Whether an unknown call cannot begin because it is over already; or note that it is.
-- KEYS: lease
-- ARGV: 1 for how long (ms) to note it, or ''
-- Returns 1 or 0
-- include: call_clock
-- include: call_over
if ARGV[1] ~= '' then note_over(KEYS[1], now_ms(), tonumber(ARGV[1])) end
return is_over(KEYS[1], now_ms()) and 1 or 0
