-- Try what is pending for a sink at once; failures count as before.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2 sink
-- Returns 1, or 0 if nothing is pending, or the next attempt is due already
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: outbox_write
-- include: outbox_claim
local outbox, sink, now = KEYS[1], ARGV[2], now_ms()
go_on_with_outbox(outbox)
local next_at, failed = tried_again_at(outbox, sink)
if next_at <= now then return 0 end
local failure = cjson.decode(failed)
failure.next = now
local writable, text = pcall(cjson.encode, failure) -- somebody may have written a number that JSON has not
redis.call('HSET', outbox, 'f:' .. sink, writable and text or string.format('{"next":%.0f}', now))
if KEYS[2] then mark_agenda(KEYS[2], ARGV[1], now) end
return 1
