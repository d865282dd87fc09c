-- Write the end of a life of a call, unless it was written before.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2 life  3 type, or '' to close it without an event  4 sinks (JSON)  5 body
-- Returns 1, or 0 if it was written before
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
local outbox, now = KEYS[1], now_ms()
if redis.call('HGET', outbox, 'life') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  local closed = redis.call('HDEL', outbox, 'open')
  redis.call('HDEL', outbox, 'end_at', 'head')
  return closed
end
if not write_event(outbox, ARGV[3], ARGV[4], ARGV[5], now) then return 0 end
redis.call('PEXPIRE', outbox, OUTBOX_MS)
if KEYS[2] then mark_agenda(KEYS[2], ARGV[1], now) end
return 1
