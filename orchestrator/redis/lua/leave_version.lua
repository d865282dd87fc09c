-- A worker takes no more calls. If it was the last one of its version, the jobs of the calls that are pinned to it become
-- anyone's.
-- KEYS: queue, workers of the version
-- ARGV: 1 worker  2 version
-- Returns how many jobs were handed over
-- include: call_clock
-- include: call_lane
-- include: call_wake
local queue, now, moved = KEYS[1], now_ms(), 0
redis.call('ZREM', KEYS[2], ARGV[1])
if is_served(queue, ARGV[2], now) then return 0 end
local base = base_of(queue, ARGV[2])

local function hand_over(tenant)
  local from, to = lane_in(base, tenant), lane_in(queue, tenant)
  for _, id in ipairs(redis.call('ZRANGE', from, 0, 9999)) do
    if redis.call('ZADD', to, 'NX', now, id) == 1 then wake_one(queue .. ':wake') end
    redis.call('ZREM', from, id)
    moved = moved + 1
  end
  redis.call('PEXPIRE', to, LANE_MS)
end

hand_over('')
for _, tenant in ipairs(redis.call('ZRANGE', base .. ':tenants', 0, 999)) do
  if tenant ~= '' then
    hand_over(tenant)
    redis.call('ZADD', queue .. ':tenants', 'NX', 0, tenant)
    redis.call('PEXPIRE', queue .. ':tenants', LANE_MS)
  end
end
redis.call('DEL', base .. ':tenants')
return moved
