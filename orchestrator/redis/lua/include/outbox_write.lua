-- Included: write into a call's outbox. Needs call_numbers.
-- The outbox is a hash. life: of which life of the call `seq`, `head`, `open` and `end_at` speak; last: position of the latest
-- entry; first: no entry comes before it; bytes: of all entries; e:POSITION: a line of JSON, {"n": seq, "t": written (ms),
-- "s": [sink, …]}, and the event's JSON; p:SINK: up to which position it is settled; f:SINK: JSON of its failures;
-- d:POSITION:SINK: JSON of a delivery that is dead; holder, until (ms), epoch: the delivery's lease; state_by (ms): until then
-- the state of a call that was taken over may not be there yet; t:ID: an event that was taken over.
local OUTBOX_MS = 864000000

-- Somebody is to look at the call at `at` (ms), or sooner.
local function mark_agenda(agenda, call_sid, at)
  if redis.call('ZADD', agenda, 'LT', at, call_sid) == 1 or redis.call('PTTL', agenda) < OUTBOX_MS then
    redis.call('PEXPIRE', agenda, 2 * OUTBOX_MS)
  end
end

-- Begin a life of the call, unless that has begun. Returns true if it begins.
local function begin_life(outbox, life, head)
  if redis.call('HGET', outbox, 'life') == life then return false end
  redis.call('HSET', outbox, 'life', life, 'head', head, 'seq', 0, 'open', '1')
  redis.call('HDEL', outbox, 'end_at')
  return true
end

-- Append an event for `sinks` (JSON). `call.ended` closes the call, once. Returns whether it was written.
local function write_event(outbox, kind, sinks, body, now)
  if kind == 'call.ended' then
    if redis.call('HDEL', outbox, 'open') == 0 then return false end
    redis.call('HDEL', outbox, 'end_at', 'head')
  end
  local before = redis.call('HMGET', outbox, 'seq', 'last', 'bytes')
  local seq, position = number_of(before[1]) + 1, number_of(before[2]) + 1
  local entry = string.format('{"n":%.0f,"t":%.0f,"s":%s}\n', seq, now, sinks) .. body
  redis.call('HSET', outbox, 'seq', string.format('%.0f', seq), 'last', string.format('%.0f', position),
    'bytes', string.format('%.0f', number_of(before[3]) + #entry), string.format('e:%.0f', position), entry)
  return true
end

-- Write an announcement: ARGV[at] is 1 life  2 head  3 "1" if the call closes later, at latest after (ms) 4
-- 5 number of events, then for each: its id to be remembered or '', type, sinks (JSON), body.
-- Returns how many were written, and the place after it in ARGV.
local function announce(outbox, at, now)
  begin_life(outbox, ARGV[at], ARGV[at + 1])
  local written, place = 0, at + 5
  for _ = 1, tonumber(ARGV[at + 4]) do
    local id = ARGV[place]
    if (id == '' or redis.call('HSETNX', outbox, 't:' .. id, '1') == 1)
        and write_event(outbox, ARGV[place + 1], ARGV[place + 2], ARGV[place + 3], now) then
      written = written + 1
    end
    place = place + 4
  end
  if ARGV[at + 2] == '1' and redis.call('HGET', outbox, 'open') then
    redis.call('HSET', outbox, 'end_at', now + tonumber(ARGV[at + 3]))
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
