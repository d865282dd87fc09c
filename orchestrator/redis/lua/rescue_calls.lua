-- Wake a worker for each call whose turns wait without a lease holder: its worker died, or its wake-up was lost.
-- KEYS: due, queue, wake, rounds
-- ARGV: 1 most calls  2 when to look again (ms)  3 id prefix of turn jobs  4 job key prefix  5 job function
--       6 grace after an outage (ms), 0 for none  7 for how long Redis was silent to the caller since its last search (ms)
--       8 state key prefix
-- Returns the call SIDs for which a job was put on the queue
-- include: call_clock
-- include: call_numbers
-- include: call_lane
-- include: call_wake
-- include: call_rounds
local now = now_ms()
if not may_rescue(KEYS[4], now, tonumber(ARGV[6]), tonumber(ARGV[7])) then return {} end
local rescued = {}
for _, call_sid in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))) do
  local id = ARGV[3] .. call_sid
  local sound, of = pcall(redis.call, 'HMGET', '{' .. ARGV[8] .. call_sid .. '}:lease', 'version', 'tenant')
  if not sound then of = {} end
  local lane = lane_of(KEYS[2], KEYS[1], call_sid, of[1], of[2], now)
  if not redis.call('ZSCORE', lane.queue, id) then
    enqueue(lane, ARGV[4] .. id, id, ARGV[5], call_sid, now)
    rescued[#rescued + 1] = call_sid
  else
    wake_one(lane.wake) -- the job's own wake-up may have been lost
  end
  redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[2]), call_sid)
end
return rescued
