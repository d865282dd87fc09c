-- Renew the lease of a scheduled item.
-- KEYS: schedule
-- ARGV: 1 id  2 holder  3 epoch  4 lease (ms)
-- Returns 1; 0: the lease is another's; -1: the item is not there any more
-- include: call_clock
-- include: call_numbers
-- include: schedule_write
-- include: schedule_look
redis.call('HDEL', KEYS[1], '') -- goes on although the server is full
local lease, is_gone = own_lease(KEYS[1], ARGV[1], ARGV[2], ARGV[3])
if not lease then return is_gone and -1 or 0 end
lease.till = now_ms() + tonumber(ARGV[4])
write_lease(KEYS[1], ARGV[1], lease)
keep_schedule(KEYS[1], SCHEDULE_MS)
return 1
