-- Included: write into a call's outbox. Needs call_numbers.
-- The outbox is a hash. life: of which life of the call `seq`, `head`, `open` and `end_at` speak; last: position of the latest
-- entry; first: no entry comes before it; bytes: of all entries; e:POSITION: a line of JSON, {"n": seq, "t": written (ms),
-- "s": [sink, …]}, and the event's JSON; p:SINK: up to which position it is settled; f:SINK: JSON of its failures;
-- d:POSITION:SINK: JSON of a delivery that is dead; holder, until (ms), epoch: the delivery's lease; state_by (ms): until then
-- the state of a call that was taken over may not be there yet; t:ID: an event that was taken over; unended: JSON of earlier
-- lives whose end was not told, [{life, head, seq}, …]; ended: JSON of the latest lives whose end was told; s:LIFE: the seq of
-- one of these that is not the latest life any more; erased: position of what tells that the call was erased.
local OUTBOX_MS, MOST_ENDED = 864000000, 20

-- Somebody is to look at the call at `at` (ms), or sooner.
local function mark_agenda(agenda, call_sid, at)
  if redis.call('ZADD', agenda, 'LT', at, call_sid) == 1 or redis.call('PTTL', agenda) < OUTBOX_MS then
    redis.call('PEXPIRE', agenda, 2 * OUTBOX_MS)
  end
end

local function list_in(outbox, field)
  local readable, found = pcall(cjson.decode, redis.call('HGET', outbox, field) or '[]')
  return readable and type(found) == 'table' and found or {}
end

local function earlier_lives(outbox) return list_in(outbox, 'unended') end

local function note_ended(outbox, life)
  local lives = list_in(outbox, 'ended')
  lives[#lives + 1] = life
  while #lives > MOST_ENDED do redis.call('HDEL', outbox, 's:' .. tostring(table.remove(lives, 1))) end
  redis.call('HSET', outbox, 'ended', cjson.encode(lives))
end

-- Begin a life of the call, unless that has begun. One before it whose end was not told is kept aside.
-- Returns false if this is an earlier life whose end was told: it is over, whoever repeats what began it.
local function begin_life(outbox, life, head)
  local before = redis.call('HMGET', outbox, 'life', 'open', 'head', 'seq')
  if before[1] == life then return true end
  for _, ended in ipairs(list_in(outbox, 'ended')) do
    if ended == life then return false end
  end
  if before[2] then
    local lives = earlier_lives(outbox)
    lives[#lives + 1] = {life = before[1], head = before[3], seq = number_of(before[4])}
    redis.call('HSET', outbox, 'unended', cjson.encode(lives))
  elseif before[1] then
    redis.call('HSET', outbox, 's:' .. before[1], number_of(before[4]))
  end
  redis.call('HSET', outbox, 'life', life, 'head', head, 'seq', 0, 'open', '1')
  redis.call('HDEL', outbox, 'end_at', 'state_by')
  return true
end

local function append(outbox, seq, sinks, body, now)
  local before = redis.call('HMGET', outbox, 'last', 'bytes')
  local position = string.format('%.0f', number_of(before[1]) + 1)
  local entry = string.format('{"n":%.0f,"t":%.0f,"s":%s}\n', seq, now, sinks) .. body
  redis.call('HSET', outbox, 'last', position, 'bytes', string.format('%.0f', number_of(before[2]) + #entry),
    'e:' .. position, entry)
end

-- Write an event for `sinks` (JSON). `call.ended` closes the call, once, though no sink wants it.
-- Returns whether it was written.
local function write_event(outbox, kind, sinks, body, now)
  if kind == 'call.ended' then
    if redis.call('HDEL', outbox, 'open') == 0 then return false end
    redis.call('HDEL', outbox, 'end_at', 'head')
    note_ended(outbox, redis.call('HGET', outbox, 'life'))
  end
  if sinks == '[]' then return false end
  local seq = number_of(redis.call('HGET', outbox, 'seq')) + 1
  redis.call('HSET', outbox, 'seq', string.format('%.0f', seq))
  append(outbox, seq, sinks, body, now)
  return true
end

-- `end_at` (ms), or sooner: shortly before a state is gone that lives for `life_ms` from now. Not before now.
local function before_expiry(end_at, life_ms, now)
  return life_ms and math.min(end_at, now + math.max(life_ms - 2000, 0)) or end_at
end

-- Write an announcement: ARGV[at] is 1 life  2 head  3 "1" if the call closes later, at latest after (ms) 4
-- 5 number of events, then for each: its id to be remembered or '', type, sinks (JSON), body.
-- `life_ms` is how long the state lives that is written with it, nil if none is: the call closes before that expires.
-- Returns how many were written, and the place after it in ARGV.
local function announce(outbox, at, now, life_ms)
  local written, place = 0, at + 5
  if not begin_life(outbox, ARGV[at], ARGV[at + 1]) then return written, place + 4 * tonumber(ARGV[at + 4]) end
  for _ = 1, tonumber(ARGV[at + 4]) do
    local id = ARGV[place]
    if (id == '' or redis.call('HSETNX', outbox, 't:' .. id, '1') == 1)
        and write_event(outbox, ARGV[place + 1], ARGV[place + 2], ARGV[place + 3], now) then
      written = written + 1
    end
    place = place + 4
  end
  if ARGV[at + 2] == '1' and redis.call('HGET', outbox, 'open') then
    redis.call('HSET', outbox, 'end_at', before_expiry(now + tonumber(ARGV[at + 3]), life_ms, now))
  end
  redis.call('PEXPIRE', outbox, OUTBOX_MS)
  return written, place
end

-- The provider says that the call is over, which had ended before: its end need not be waited for any longer.
local function close_now(outbox, now)
  if not redis.call('HGET', outbox, 'open') then return false end
  redis.call('HSET', outbox, 'end_at', now)
  return true
end

-- After an announcement of which so many events were `written`: somebody is to look at the call `soon` (ms), if there is
-- something to deliver, and when its end is due, if it is open.
local function mark_announced(outbox, agenda, call_sid, written, soon, now)
  if not agenda then return end
  if written > 0 or redis.call('HGET', outbox, 'unended') then mark_agenda(agenda, call_sid, soon) end
  local fields = redis.call('HMGET', outbox, 'open', 'end_at')
  if fields[1] then mark_agenda(agenda, call_sid, fields[2] and number_of(fields[2]) or now + 300000) end
end
