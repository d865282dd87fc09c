-- Included: how many more turns each worker has room for, as far as Redis knows: the worker says how many slots are free, a
-- grant takes one, a commit or a release gives one back. `room`: sorted set, by free slots, or nil where nothing is pushed.
-- `presence`: the worker's hash, pushed: how many grants were pushed to it, last: when (ms). It lives for `presence_ms` from
-- when the worker last said that it lives.
local function give_room_back(room, holder)
  if room then pcall(redis.call, 'ZADD', room, 'XX', 'INCR', 1, holder) end -- workers see to a key of the wrong type
end

-- The worker, of `version`, has `free` slots and has received so many pushed grants: those on their way need slots, too.
-- Calls that it takes are pinned to the version `pin`, unless that is ''.
-- Returns how many were pushed to it, and how long ago the last one was (ms).
local function report_room(room, presence, holder, free, received, now, presence_ms, version, pin)
  local before = redis.call('HMGET', presence, 'pushed', 'last')
  local pushed = math.max(received, number_of(before[1]))
  if redis.call('PEXPIRE', presence, presence_ms) == 0 or pushed ~= number_of(before[1]) then
    redis.call('HSET', presence, 'pushed', pushed, 'version', version, 'pin', pin)
    redis.call('PEXPIRE', presence, presence_ms)
  end
  redis.call('ZADD', room, math.max(0, free - (pushed - received)), holder)
  redis.call('PEXPIRE', room, presence_ms)
  return pushed, math.abs(now - number_of(before[2]))
end
