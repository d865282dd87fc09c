-- Cluster: somebody is to look at a call's schedule at a time, or sooner.
-- KEYS: index
-- ARGV: 1 call_sid  2 when (ms), or '+' and so many milliseconds from now
-- Returns 1
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: schedule_write
go_on_with_agenda(KEYS[1])
local from_now = string.match(ARGV[2], '^%+(%d+)$')
mark_scheduled(KEYS[1], ARGV[1], from_now and now_ms() + tonumber(from_now) or tonumber(ARGV[2]))
return 1
