-- Note since when something is about to happen outside that must not happen twice, and renew the item's lease.
-- KEYS: schedule
-- ARGV: 1 id  2 holder  3 epoch  4 lease (ms)
-- Returns 1, or 0 if the lease is another's, or the item is not there any more
-- include: call_clock
-- include: call_numbers
-- include: schedule_write
-- include: schedule_look
local lease, now = own_lease(KEYS[1], ARGV[1], ARGV[2], ARGV[3]), now_ms()
if not lease then return 0 end
redis.call('HSETNX', KEYS[1], 'p:' .. ARGV[1], string.format('%.0f', now))
lease.till = now + tonumber(ARGV[4])
write_lease(KEYS[1], ARGV[1], lease)
return 1
