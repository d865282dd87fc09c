-- Included: when a call is to be looked at next. Needs call_numbers, outbox_write and outbox_claim.
local DEAD_MS, OPEN_MS, UNKNOWN_SINK_MS, LOOKED_MS = 604800000, 300000, 60000, 2000

-- An open call is looked at now and then, and shortly before and after its state expires.
local function next_look_at_open(state, elsewhere, end_at, held_until, now)
  local left = elsewhere and -1 or redis.call('PTTL', state)
  -- The state of a call that was taken over is on its way, and may live shorter than until then.
  if end_at > 0 and left == -2 and held_until > now then return math.min(math.max(end_at, now), now + 1000) end
  if end_at > 0 then return math.max(before_expiry(end_at, left >= 0 and left or nil, now), now) end
  if elsewhere then return math.max(now + OPEN_MS, held_until) end
  if left == -2 then return math.max(now, held_until) end
  if left > 10000 then return now + math.min(left - 5000, OPEN_MS) end
  return now + math.max(left, 0) + 1000
end

-- Returns when (ms), or nil: the call is over and nothing waits. `known` are the sinks of whoever asks.
local function next_look(outbox, state, elsewhere, known, now)
  local fields = redis.call('HMGET', outbox, 'first', 'last', 'open', 'end_at', 'holder', 'until', 'state_by', 'unended')
  local at = nil
  local function by(time) if not at or time < at then at = time end end
  if fields[5] and fields[5] ~= '' and number_of(fields[6]) > now then by(number_of(fields[6])) end
  if fields[8] then by(now) end
  if fields[3] then by(next_look_at_open(state, elsewhere, number_of(fields[4]), number_of(fields[7]), now)) end
  local first, last = span_of(fields[1], fields[2])
  for position = first, last do
    local entry = entry_at(outbox, position)
    for _, sink in ipairs(entry and (sinks_of(entry)) or {}) do
      local dead = died_at(outbox, position, sink, now)
      if dead then
        by(dead + DEAD_MS)
      elseif number_of(redis.call('HGET', outbox, 'p:' .. sink)) < position then
        local next_at = tried_again_at(outbox, sink)
        if not known[sink] then by(now + UNKNOWN_SINK_MS) else by(math.max(next_at, now)) end
      end
    end
  end
  return at
end

-- Whether anything of the entry is still to be delivered, or is kept for a person to look at.
local function is_kept(outbox, position, entry)
  for _, sink in ipairs((sinks_of(entry))) do
    if number_of(redis.call('HGET', outbox, 'p:' .. sink)) < position then return true end
    if redis.call('HGET', outbox, string.format('d:%.0f:', position) .. sink) then return true end
  end
  return false
end

-- Delete an entry that nobody needs any more, and note where the first one is.
local function drop_settled(outbox, position)
  local entry = entry_at(outbox, position)
  if not entry or is_kept(outbox, position, entry) then return false end
  redis.call('HDEL', outbox, string.format('e:%.0f', position))
  local fields = redis.call('HMGET', outbox, 'first', 'last', 'bytes')
  local first, last = span_of(fields[1], fields[2])
  while first <= last and not entry_at(outbox, first) do first = first + 1 end
  redis.call('HSET', outbox, 'first', string.format('%.0f', first),
    'bytes', string.format('%.0f', math.max(0, number_of(fields[3]) - #entry)))
  return true
end
