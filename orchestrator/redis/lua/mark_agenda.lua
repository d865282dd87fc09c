-- Cluster: somebody is to look at a call after so many milliseconds, or sooner.
-- KEYS: agenda
-- ARGV: 1 call_sid  2 milliseconds from now
-- Returns 1
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: outbox_write
go_on_with_agenda(KEYS[1])
mark_agenda(KEYS[1], ARGV[1], now_ms() + tonumber(ARGV[2]))
return 1
