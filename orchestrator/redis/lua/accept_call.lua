-- Write what is told of a call that is accepted without a turn.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2… an announcement (outbox_write)
-- Returns 1, or 0 if its life has begun before
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
local outbox, now = KEYS[1], now_ms()
if redis.call('HGET', outbox, 'life') == ARGV[2] then return 0 end
local written = announce(outbox, 2, now)
mark_announced(outbox, KEYS[2], ARGV[1], written, now, now)
return 1
