-- Write the end of a life of a call, unless it was written before.
-- KEYS: outbox[, agenda]
-- ARGV: 1 call_sid  2 life  3 sinks (JSON); '[]' closes it without an event  4 body
-- Returns 1, or 0 if it was written before
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: outbox_write
local outbox, now = KEYS[1], now_ms()

-- Of an earlier life, which the next one has kept aside. Returns whether it was there.
local function end_earlier()
  local lives, kept, ended = earlier_lives(outbox), {}, nil
  for _, life in ipairs(lives) do
    if type(life) == 'table' and life.life == ARGV[2] then ended = life else kept[#kept + 1] = life end
  end
  if not ended then return false end
  if kept[1] then redis.call('HSET', outbox, 'unended', cjson.encode(kept)) else redis.call('HDEL', outbox, 'unended') end
  note_ended(outbox, ARGV[2])
  local seq = number_of(ended.seq) + (ARGV[3] ~= '[]' and 1 or 0)
  if ARGV[3] ~= '[]' then append(outbox, seq, ARGV[3], ARGV[4], now) end
  redis.call('HSET', outbox, 's:' .. ARGV[2], string.format('%.0f', seq))
  return true
end

go_on_with_outbox(outbox)
if redis.call('HGET', outbox, 'life') == ARGV[2] then
  if not redis.call('HGET', outbox, 'open') then return 0 end
  write_event(outbox, 'call.ended', ARGV[3], ARGV[4], now)
elseif not end_earlier() then
  return 0
end
redis.call('PEXPIRE', outbox, OUTBOX_MS)
if KEYS[2] then mark_agenda(KEYS[2], ARGV[1], now) end
return 1
