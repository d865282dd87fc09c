-- Write what is told of a call that is accepted without a turn.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2… an announcement (outbox_write)
-- Returns "accepted", "known": its life has begun before, or "unended": the end of an earlier life is to be written first
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
local outbox, now = KEYS[1], now_ms()
local before = redis.call('HMGET', outbox, 'life', 'open')
if before[1] == ARGV[2] then return 'known' end
if before[2] then return 'unended' end
announce(outbox, 2, now)
if KEYS[2] then mark_agenda(KEYS[2], ARGV[1], now) end
return 'accepted'
