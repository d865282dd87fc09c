-- Included: write what is told of a call late: it may be over, and its SID have another life. Needs call_numbers and outbox_write.
-- Returns the next seq of a life that is not the latest one, or nil if it is, or is not known.
local function seq_of_earlier(outbox, life)
  if redis.call('HGET', outbox, 'life') == life then return nil end
  local lives = earlier_lives(outbox)
  for _, earlier in ipairs(lives) do
    if type(earlier) == 'table' and earlier.life == life then
      earlier.seq = number_of(earlier.seq) + 1
      redis.call('HSET', outbox, 'unended', cjson.encode(lives))
      return earlier.seq
    end
  end
  for _, ended in ipairs(list_in(outbox, 'ended')) do
    if ended == life then
      local seq = number_of(redis.call('HGET', outbox, 's:' .. life)) + 1
      redis.call('HSET', outbox, 's:' .. life, string.format('%.0f', seq))
      return seq
    end
  end
  return nil
end

-- Write an announcement as `announce` does: its events belong to the life that it names, whatever has become of that.
-- Returns how many were written.
local function announce_late(outbox, at, now)
  local written, place = 0, at + 5
  for _ = 1, tonumber(ARGV[at + 4]) do
    local seq = seq_of_earlier(outbox, ARGV[at])
    if not seq then return (announce(outbox, at, now)) end
    if ARGV[place + 2] ~= '[]' then
      append(outbox, seq, ARGV[place + 2], ARGV[place + 3], now)
      written = written + 1
    end
    place = place + 4
  end
  redis.call('PEXPIRE', outbox, OUTBOX_MS)
  return written
end
