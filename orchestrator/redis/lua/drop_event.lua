-- Deliver an event, pending or dead, to a sink no more.
-- KEYS: outbox
-- ARGV: 1 position  2 sink
-- Returns 1, or 0 if there is no such delivery
-- include: call_numbers
-- include: full_server
-- include: outbox_claim
-- include: outbox_look
local outbox, position, sink = KEYS[1], tonumber(ARGV[1]), ARGV[2]
go_on_with_outbox(outbox)
local entry = entry_at(outbox, position)
if not entry or not is_for(entry, sink) then return 0 end
local was_dead = redis.call('HDEL', outbox, 'd:' .. ARGV[1] .. ':' .. sink) == 1
if not was_dead then
  if number_of(redis.call('HGET', outbox, 'p:' .. sink)) >= position then return 0 end
  local fields, header = header_of(entry)
  local kept = {}
  for _, name in ipairs((sinks_of(entry))) do
    if name ~= sink then kept[#kept + 1] = cjson.encode(name) end
  end
  local changed = string.format('{"n":%.0f,"t":%.0f,"s":[%s]}\n', number_of(fields.n), number_of(fields.t), table.concat(kept, ','))
  redis.call('HSET', outbox, 'e:' .. ARGV[1], changed .. string.sub(entry, #header + 2))
  local bytes = number_of(redis.call('HGET', outbox, 'bytes')) + #changed - #header - 1
  redis.call('HSET', outbox, 'bytes', string.format('%.0f', bytes))
  redis.call('HDEL', outbox, 'f:' .. sink) -- the next one is tried at once
end
drop_settled(outbox, position)
return 1
