-- Included: write into a call's schedule. Needs call_numbers.
-- The schedule is a hash. i:ID: a line 'DUE KIND', DUE in ms, and the item's JSON; l:ID: its lease and what was tried so far,
-- 'HOLDER UNTIL ATTEMPTS FAILURES EPOCH', where a free item is not claimed before UNTIL (ms); p:ID: since when it is about to
-- happen outside (ms); s:ID: an item that is settled and must not happen twice; n:NAME: the item of which something of this name came.
-- The index is a sorted set: call SID → when somebody is to look at its schedule (ms).
local SCHEDULE_MS, MESSAGES_MS = 3600000, 864000000

-- Somebody is to look at the call at `at` (ms), or sooner.
local function mark_scheduled(index, call_sid, at)
  if redis.call('ZADD', index, 'LT', at, call_sid) == 1 or redis.call('PTTL', index) < MESSAGES_MS then
    redis.call('PEXPIRE', index, 2 * MESSAGES_MS)
  end
end

-- The schedule is kept for so long (ms) from now at least.
local function keep_schedule(schedule, milliseconds)
  if redis.call('PTTL', schedule) < milliseconds then redis.call('PEXPIRE', schedule, milliseconds) end
end

local function remove_item(schedule, id)
  return redis.call('HDEL', schedule, 'i:' .. id, 'l:' .. id, 'p:' .. id)
end

-- Write changes: ARGV[at] is 1 how long the call is kept from now (ms)  2 number of new items, then for each: its id, when it
-- is due (ms), kind, JSON; then the ids up to ARGV[last] are those of items that are removed. What was written before, or is
-- settled, is not written again. Returns when the first new item is due (ms), or nil.
local function change_schedule(schedule, at, last, now)
  local kept, first, place = tonumber(ARGV[at]), nil, at + 2
  for _ = 1, tonumber(ARGV[at + 1]) do
    local id, due, kind = ARGV[place], tonumber(ARGV[place + 1]), ARGV[place + 2]
    local item = string.format('%.0f %s\n', due, kind) .. ARGV[place + 3]
    if not redis.call('HGET', schedule, 's:' .. id) then redis.call('HSETNX', schedule, 'i:' .. id, item) end
    local least = kind == 'message' and MESSAGES_MS or 0
    kept = math.max(kept, least, due - now + SCHEDULE_MS)
    if not first or due < first then first = due end
    place = place + 4
  end
  for removed = place, last do remove_item(schedule, ARGV[removed]) end
  if first then keep_schedule(schedule, kept) end
  return first
end
