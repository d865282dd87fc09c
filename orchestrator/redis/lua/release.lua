-- Release a lease with its turn unrun, and wake a worker for it: no attempt. A worker that comes too late, because the
-- lease is another's by now, is alive at least: that the turn was taken from it does not count as an attempt either.
-- With a pause, the turn could not be run: that counts, unless 8 says otherwise, and it is not looked at again before
-- the pause is over.
-- KEYS: inbox, turns, lease[, due, queue, wake, job[, room]]
-- ARGV: 1 call_sid  2 holder  3 epoch  4 job id  5 job function  6 turn id  7 pause (ms) or ''
--       8 '' if no pause counts as an attempt
-- Returns 1, or 0 when the lease was lost; 2 if a turn waits and no worker was woken, as the queue lies in another slot
-- include: call_clock
-- include: call_numbers
-- include: call_lane
-- include: call_wake
-- include: call_next
-- include: call_due
-- include: worker_room
local held = redis.call('HMGET', KEYS[3], 'holder', 'epoch', 'turn', 'attempts', 'forgiven', 'version', 'tenant')
local holder, pause = held[1] or '', tonumber(ARGV[7])

-- Each epoch once, however often its answer gets lost.
local function forgive(least)
  if held[3] ~= ARGV[6] or held[5] == ARGV[3] or (pause and ARGV[8] ~= '') then return end
  redis.call('HSET', KEYS[3], 'attempts', math.max(least, number_of(held[4] or '1') - 1), 'forgiven', ARGV[3])
end

if holder ~= ARGV[2] or held[2] ~= ARGV[3] then
  -- Taking over from oneself was not counted.
  if holder == '' then forgive(0) elseif holder ~= ARGV[2] then forgive(1) end
  return 0
end
local now = now_ms()
forgive(0)
redis.call('HSET', KEYS[3], 'holder', '', 'until', pause and now + pause or 0)
give_room_back(KEYS[8], ARGV[2])
local waits = next_turn(KEYS[1], KEYS[2])
if not KEYS[4] then return waits and not pause and 2 or 1 end
if waits then
  mark_due(KEYS[4], now + (pause or 0), ARGV[1])
  if not pause then
    enqueue(lane_of(KEYS[5], KEYS[4], ARGV[1], held[6], held[7], now), KEYS[7], ARGV[4], ARGV[5], ARGV[1], now)
  end
else
  redis.call('ZREM', KEYS[4], ARGV[1])
end
return 1
