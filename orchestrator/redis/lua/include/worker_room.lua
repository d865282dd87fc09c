-- Included: how many more turns each worker has room for, as far as Redis knows: the worker says how many slots are free, a
-- grant takes one, a commit or a release gives one back. `room`: sorted set, by free slots, or nil where nothing is pushed.
-- `presence`: the worker's hash, at: when it last said so, pushed: how many grants were pushed to it, last: when.
local function give_room_back(room, holder)
  if room then pcall(redis.call, 'ZADD', room, 'XX', 'INCR', 1, holder) end -- workers see to a key of the wrong type
end

-- The worker has `free` slots and has received so many pushed grants: those on their way need slots, too.
-- Returns how many were pushed to it, and how long ago the last one was (ms).
local function report_room(room, presence, holder, free, received, now, channel_prefix)
  local before = redis.call('HMGET', presence, 'at', 'pushed', 'last')
  local pushed = math.max(received, number_of(before[2]))
  redis.call('HSET', presence, 'at', now, 'pushed', pushed)
  local added = redis.call('ZADD', room, math.max(0, free - (pushed - received)), holder)
  if added == 1 or math.floor(now / 10000) ~= math.floor(number_of(before[1]) / 10000) then -- both live for a minute
    redis.call('PEXPIRE', presence, 60000)
    redis.call('PEXPIRE', room, 60000)
    local last = redis.call('ZRANGE', room, 0, 0)[1] -- of the dead that left room behind, each look removes one
    if redis.call('EXISTS', channel_prefix .. last .. ':presence') == 0 then redis.call('ZREM', room, last) end
  end
  return pushed, math.abs(now - number_of(before[3]))
end
