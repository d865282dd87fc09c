-- Included: what a schedule has, and when it is to be looked at next. Needs call_numbers and schedule_write.
-- A number that we wrote; what others did counts as 0.
local function whole(text) return text and #text < 16 and number_of(string.match(text, '^%d+$')) or 0 end

local function lease_of(text)
  local holder, till, attempts, failures, epoch = string.match(text or '', '^(%S*) (%d+) (%d+) (%d+) (%d+)$')
  return {
    holder = holder or '', till = whole(till), attempts = whole(attempts), failures = whole(failures), epoch = whole(epoch),
  }
end

local function write_lease(schedule, id, lease)
  local text = string.format('%s %.0f %.0f %.0f %.0f', lease.holder, lease.till, lease.attempts, lease.failures, lease.epoch)
  redis.call('HSET', schedule, 'l:' .. id, text)
end

-- The lease of an item, if it is the caller's; else nil, and whether the item is not there any more.
local function own_lease(schedule, id, holder, epoch)
  local found = redis.call('HMGET', schedule, 'i:' .. id, 'l:' .. id)
  if not found[1] then return nil, true end
  local lease = lease_of(found[2])
  if lease.holder ~= holder or lease.epoch ~= tonumber(epoch) then return nil, false end
  return lease, false
end

-- The items, the first due first: {id, at (when it may be claimed, ms), kind, json, lease, posting}. One that cannot be read is
-- dropped.
local function items_in(schedule)
  local flat, fields, items = redis.call('HGETALL', schedule), {}, {}
  for place = 1, #flat, 2 do fields[flat[place]] = flat[place + 1] end
  for name, value in pairs(fields) do
    local id = string.match(name, '^i:(.+)$')
    if id then
      local due, kind, json = string.match(value, '^(%d+) (%w+)\n(.*)$')
      if not due or #due > 15 then
        remove_item(schedule, id)
      else
        local lease = lease_of(fields['l:' .. id])
        items[#items + 1] = {
          id = id, due = tonumber(due), at = math.max(tonumber(due), lease.till), kind = kind, json = json, lease = lease,
          posting = fields['p:' .. id] and string.format('%.0f', whole(fields['p:' .. id])),
        }
      end
    end
  end
  table.sort(items, function(one, other)
    if one.due ~= other.due then return one.due < other.due end
    return one.id < other.id
  end)
  return items
end

-- Note when somebody is to look at the call next (ms); nil: never.
local function note_look(index, call_sid, at)
  if not index then return end
  if not at then
    redis.call('ZREM', index, call_sid)
  else
    redis.call('ZADD', index, at, call_sid)
    redis.call('PEXPIRE', index, 2 * MESSAGES_MS)
  end
end
