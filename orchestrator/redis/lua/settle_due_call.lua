-- Cluster: correct a call's queue after `inspect_call`, unless its entry has changed since it was found due: then a
-- turn came meanwhile, and what was found is no longer true.
-- KEYS: calls, due, queue, wake, job
-- ARGV: 1 call_sid  2 score  3 "held", "waits" or "idle"  4 ms, as `inspect_call` gives them  5 job id  6 job function
--       7 the version that the call is pinned to, or ''  8 its tenant, or ''
-- Returns 1 if somebody was woken, else 0
-- include: call_clock
-- include: call_lane
-- include: call_wake
-- include: call_due
local call_sid, left = ARGV[1], tonumber(ARGV[4])
local score = redis.call('ZSCORE', KEYS[2], call_sid)
if not score or tonumber(score) ~= tonumber(ARGV[2]) then return 0 end
local now = now_ms()
if ARGV[3] == 'held' then
  mark_due(KEYS[2], now + left, call_sid)
elseif ARGV[3] == 'waits' then
  local lane = lane_of(KEYS[3], KEYS[2], call_sid, ARGV[7], ARGV[8], now)
  if redis.call('ZSCORE', lane.queue, ARGV[5]) then
    wake_one(lane.wake) -- the job's own wake-up may have been lost
    return 0
  end
  enqueue(lane, KEYS[5], ARGV[5], ARGV[6], call_sid, now)
  return 1
else
  redis.call('ZREM', KEYS[2], call_sid)
  if left == 0 then
    redis.call('ZREM', KEYS[1], call_sid)
  else
    redis.call('ZADD', KEYS[1], (now + left) / 1000, call_sid)
    redis.call('PEXPIRE', KEYS[1], left + 86400000)
  end
end
return 0
