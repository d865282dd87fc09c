-- Write what was announced in the memory of a process that could not reach this outbox. The state is written after it.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2 how long the state may not be there yet (ms)  3… an announcement (outbox_write), with ids
-- Returns 1
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
local outbox, now = KEYS[1], now_ms()
local written = announce(outbox, 3, now)
redis.call('HSET', outbox, 'state_by', now + tonumber(ARGV[2]))
mark_announced(outbox, KEYS[2], ARGV[1], written, now, now)
-- However soon the state expires that follows.
if KEYS[2] and ARGV[5] == '1' then mark_agenda(KEYS[2], ARGV[1], now) end
return 1
