-- Write what was announced in the memory of a process that could not reach this outbox. The state is written after it.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2 how long the state may not be there yet (ms)  3… an announcement (outbox_write), with ids
-- Returns "known", or "unended": the end of another life is to be written first
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
local outbox, now = KEYS[1], now_ms()
local before = redis.call('HMGET', outbox, 'life', 'open')
if before[1] ~= ARGV[3] and before[2] then return 'unended' end
announce(outbox, 3, now)
redis.call('HSET', outbox, 'state_by', now + tonumber(ARGV[2]))
if KEYS[2] then mark_agenda(KEYS[2], ARGV[1], now) end
return 'known'
