-- Give the lease of a scheduled item back, that it be claimed again.
-- KEYS: schedule[, index]
-- ARGV: 1 call_sid  2 id  3 holder  4 epoch  5 not before (ms)  6 "1" if this counts as a failure; else as no attempt
--       7 "1" if what was about to happen outside did not happen
-- Returns 1, or 0 if the lease is another's, or the item is not there any more
-- include: call_clock
-- include: call_numbers
-- include: schedule_write
-- include: schedule_look
local schedule = KEYS[1]
redis.call('HDEL', schedule, '') -- goes on although the server is full
local lease = own_lease(schedule, ARGV[2], ARGV[3], ARGV[4])
if not lease then return 0 end
lease.holder, lease.till = '', tonumber(ARGV[5])
if ARGV[6] == '1' then lease.failures = lease.failures + 1 else lease.attempts = math.max(0, lease.attempts - 1) end
write_lease(schedule, ARGV[2], lease)
if ARGV[7] == '1' then redis.call('HDEL', schedule, 'p:' .. ARGV[2]) end
keep_schedule(schedule, math.max(lease.till - now_ms(), 0) + SCHEDULE_MS)
if KEYS[2] then mark_scheduled(KEYS[2], ARGV[1], lease.till) end
return 1
