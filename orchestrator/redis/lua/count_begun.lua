-- Count a call that is to begin under one name, where `submit` cannot.
-- KEYS: begun
-- ARGV: 1 call, hashed  2 most calls  3 within (ms)  4 "1" if a refusal is remembered
-- Returns 0, or how long it is until another may begin (ms)
-- include: call_clock
-- include: call_rate
local now, window = now_ms(), tonumber(ARGV[3])
local wait = rate_wait(KEYS[1], ARGV[1], tonumber(ARGV[2]), window, now)
if wait == 0 or ARGV[4] == '1' then note_begun(KEYS[1], ARGV[1], window, now, wait > 0) end
return wait
