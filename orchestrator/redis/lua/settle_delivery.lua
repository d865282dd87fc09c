-- Note what became of an attempt to deliver an event to a sink.
-- KEYS: outbox
-- ARGV: 1 holder  2 epoch  3 sink  4 position  5 "delivered", "failed" or "dead"  6 JSON of the failures, or of the death
--       7 lease (ms)
-- Returns 1, or 0 if the lease is another's
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: outbox_write
-- include: outbox_claim
-- include: outbox_look
local outbox, sink, position = KEYS[1], ARGV[3], tonumber(ARGV[4])
go_on_with_outbox(outbox)
local held = redis.call('HMGET', outbox, 'holder', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
redis.call('HSET', outbox, 'until', now_ms() + tonumber(ARGV[7]))
if number_of(redis.call('HGET', outbox, 'p:' .. sink)) >= position then return 1 end -- repeated
if ARGV[5] == 'failed' then
  redis.call('HSET', outbox, 'f:' .. sink, ARGV[6])
  redis.call('PEXPIRE', outbox, OUTBOX_MS)
  return 1
end
redis.call('HDEL', outbox, 'f:' .. sink)
if ARGV[5] == 'dead' then redis.call('HSET', outbox, string.format('d:%.0f:', position) .. sink, ARGV[6]) end
redis.call('HSET', outbox, 'p:' .. sink, ARGV[4])
drop_settled(outbox, position)
redis.call('PEXPIRE', outbox, OUTBOX_MS)
return 1
