-- Deliver a dead event to a sink again, under its id, after all that waits.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2 position  3 sink
-- Returns 1, or 0 if it is not dead
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
-- include: outbox_claim
-- include: outbox_look
local outbox, position, sink, now = KEYS[1], tonumber(ARGV[2]), ARGV[3], now_ms()
local entry = entry_at(outbox, position)
if not entry or redis.call('HDEL', outbox, 'd:' .. ARGV[2] .. ':' .. sink) == 0 then return 0 end
local fields, header = header_of(entry)
append(outbox, number_of(fields.n), '[' .. cjson.encode(sink) .. ']', string.sub(entry, #header + 2), now)
drop_settled(outbox, position)
redis.call('PEXPIRE', outbox, OUTBOX_MS)
if KEYS[2] then mark_agenda(KEYS[2], ARGV[1], now) end
return 1
