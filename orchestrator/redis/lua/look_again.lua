-- Give the lease of a delivery back, if there is one, and say when the call is to be looked at next.
-- KEYS: outbox, state[, agenda]
-- ARGV: 1 call_sid  2 holder, or '' if only the next look is to be settled  3 epoch  4 "1" if the state lies elsewhere
--       5… sinks that the caller delivers to
-- Returns when (ms), or false: never. Without the agenda, which lies in another slot in a cluster, the caller notes it there.
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: outbox_write
-- include: outbox_claim
-- include: outbox_look
local outbox, known, now = KEYS[1], {}, now_ms()
go_on_with_outbox(outbox)
for place = 5, #ARGV do known[ARGV[place]] = true end
local held = redis.call('HMGET', outbox, 'holder', 'epoch')
if ARGV[2] ~= '' and held[1] == ARGV[2] and held[2] == ARGV[3] then redis.call('HDEL', outbox, 'holder', 'until') end
-- Somebody has looked, and the call is not over, whatever was said of it: its state says so.
local end_at = ARGV[2] == '' and number_of(redis.call('HGET', outbox, 'end_at')) or 0
if end_at > 0 and end_at < now - LOOKED_MS then redis.call('HDEL', outbox, 'end_at') end
local at = next_look(outbox, KEYS[2], ARGV[4] == '1', known, now)
local left = math.max(redis.call('PTTL', KEYS[2]), 0)
if not at then
  -- What remains says for a while that this life of the call has been told. Of an erased call nothing remains.
  if redis.call('HGET', outbox, 'erased') and not redis.call('HGET', outbox, 'life') then redis.call('DEL', outbox) end
  if redis.call('EXISTS', outbox) == 1 then redis.call('PEXPIRE', outbox, left + 86400000) end
  if KEYS[3] then redis.call('ZREM', KEYS[3], ARGV[1]) end
  return false
end
-- As long as nobody has told the end of the call, whatever its state lives.
if redis.call('HGET', outbox, 'open') then redis.call('PEXPIRE', outbox, left + OUTBOX_MS) end
if KEYS[3] then
  redis.call('ZADD', KEYS[3], at, ARGV[1])
  redis.call('PEXPIRE', KEYS[3], 2 * OUTBOX_MS)
end
return string.format('%.0f', at)
