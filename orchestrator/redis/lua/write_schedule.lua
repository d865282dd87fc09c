-- Write into a call's schedule what was changed elsewhere.
-- KEYS: schedule[, index]
-- ARGV: 1 call_sid  2… changes (schedule_write)
-- Returns 1
-- include: call_clock
-- include: call_numbers
-- include: schedule_write
local first = change_schedule(KEYS[1], 2, #ARGV, now_ms())
if first and KEYS[2] then mark_scheduled(KEYS[2], ARGV[1], first) end
return 1
