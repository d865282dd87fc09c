-- Included: how many more turns each worker has room for, as far as Redis knows: a claim says how many are free, a grant
-- takes one, a commit or a release gives one back. `room`: sorted set, by free slots, or nil where nothing is pushed.
-- `presence`: the worker's hash, at: when it last said so, pushed: how many grants were pushed to it.
local function give_room_back(room, holder)
  if room then pcall(redis.call, 'ZADD', room, 'XX', 'INCR', 1, holder) end -- claims see to a key of the wrong type
end

-- The worker has `free` slots and has received so many pushed grants: those on their way need slots, too.
-- Returns how many were pushed to it. Of the dead that left room behind, each idle worker removes one.
local function report_room(room, presence, holder, free, received, now, is_idle, channel_prefix)
  local pushed = math.max(received, number_of(redis.call('HGET', presence, 'pushed')))
  redis.call('HSET', presence, 'at', now, 'pushed', pushed)
  redis.call('PEXPIRE', presence, 60000)
  redis.call('ZADD', room, math.max(0, free - (pushed - received)), holder)
  redis.call('PEXPIRE', room, 60000)
  if is_idle then
    local last = redis.call('ZRANGE', room, 0, 0)[1]
    if redis.call('EXISTS', channel_prefix .. last .. ':presence') == 0 then redis.call('ZREM', room, last) end
  end
  return pushed
end
