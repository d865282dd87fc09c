-- Included: what an outbox has for sinks. Needs call_numbers.
local function entry_at(outbox, position) return redis.call('HGET', outbox, string.format('e:%.0f', position)) end

-- The positions of the first and the last entry, as numbers that a loop may run over: others can write to the hash.
local MOST_ENTRIES = 20000
local function span_of(first, last)
  first, last = math.max(1, number_of(first)), number_of(last)
  return first, last - first < MOST_ENTRIES and last or first + MOST_ENTRIES
end

-- What an entry says of its event, and the line that says so. Others can write to the hash.
local function header_of(entry)
  local line = string.match(entry, '^[^\n]*')
  local readable, header = pcall(cjson.decode, line)
  return readable and type(header) == 'table' and header or {}, line
end

-- The names of the sinks of an entry, and the milliseconds when it was written.
local function sinks_of(entry)
  local header, names = header_of(entry), {}
  if type(header.s) ~= 'table' then return names, 0 end
  for _, name in ipairs(header.s) do
    if type(name) == 'string' then names[#names + 1] = name end
  end
  return names, number_of(header.t)
end

local function is_for(entry, sink)
  for _, name in ipairs((sinks_of(entry))) do
    if name == sink then return true end
  end
  return false
end

-- When the event at this position was given up for the sink (ms), or nil: it was not.
local function died_at(outbox, position, sink, now)
  local dead = redis.call('HGET', outbox, string.format('d:%.0f:', position) .. sink)
  if not dead then return nil end
  local readable, death = pcall(cjson.decode, dead)
  return readable and type(death) == 'table' and number_of(death.at) or now
end

-- When the first event that waits for the sink is tried again (ms); 0 if it was not tried yet.
local function tried_again_at(outbox, sink)
  local failed = redis.call('HGET', outbox, 'f:' .. sink)
  if not failed then return 0, '' end
  local readable, failure = pcall(cjson.decode, failed)
  if not readable or type(failure) ~= 'table' then return 0, '' end
  return number_of(failure.next), failed
end

-- Grant the delivery of a call's events, if the lease is free and one of `sinks` is to get some now. With `again`, a
-- holder that has the lease keeps it, renewed.
-- Returns {epoch, {position, entry, …}, {{sink, its failures' JSON or '', position, …}, …}} or nil
local function claim_outbox(outbox, holder, lease_ms, sinks, most, most_bytes, now, again)
  local held = redis.call('HMGET', outbox, 'holder', 'until', 'epoch', 'first', 'last')
  local is_held = held[1] and held[1] ~= '' and number_of(held[2]) > now
  local keeps = again and is_held and held[1] == holder
  if is_held and not keeps then return nil end
  local first, last = span_of(held[4], held[5])
  local found, entries, queues, bytes = {}, {}, {}, 0
  for _, sink in ipairs(sinks) do
    local next_at, failed = tried_again_at(outbox, sink)
    local queue = {sink, failed}
    if next_at <= now then
      for position = math.max(first, number_of(redis.call('HGET', outbox, 'p:' .. sink)) + 1), last do
        if #queue - 2 >= most or bytes >= most_bytes then break end
        local entry = entry_at(outbox, position)
        if entry and is_for(entry, sink) then
          queue[#queue + 1] = string.format('%.0f', position)
          if not found[position] then
            found[position] = true
            bytes = bytes + #entry
            entries[#entries + 1] = string.format('%.0f', position)
            entries[#entries + 1] = entry
          end
        end
      end
    end
    if queue[3] then queues[#queues + 1] = queue end
  end
  if not queues[1] then
    if keeps then redis.call('HSET', outbox, 'until', now + lease_ms) end
    return nil
  end
  local epoch = number_of(held[3]) + (keeps and 0 or 1)
  redis.call('HSET', outbox, 'holder', holder, 'until', now + lease_ms, 'epoch', string.format('%.0f', epoch))
  return {epoch, entries, queues}
end
