-- Cluster: note when a call's schedule is to be looked at next, unless its entry has changed since it was read.
-- KEYS: index
-- ARGV: 1 call_sid  2 its entry's score when that was read, or ''  3 when (ms), or '' for never
-- Returns 1, or 0 if the entry has changed
-- include: call_numbers
-- include: full_server
-- include: schedule_write
-- include: schedule_look
go_on_with_agenda(KEYS[1])
if (redis.call('ZSCORE', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
note_look(KEYS[1], ARGV[1], tonumber(ARGV[3]))
return 1
