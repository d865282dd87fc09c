-- Which calls of a shard have waited for a worker for long, in whatever lane: the longest first in each.
-- KEYS: queue, versions
-- ARGV: 1 id prefix of turn jobs  2 for how long at least (ms)  3 at most so many of a lane
-- Returns {call SID, milliseconds, …}
-- include: call_clock
-- include: call_lane
local now, prefix, found = now_ms(), ARGV[1], {}

local function look_into(lane)
  local sound, jobs = pcall(redis.call, 'ZRANGEBYSCORE', lane, '-inf', now - ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
  if not sound then return end
  for i = 1, #jobs, 2 do
    if string.sub(jobs[i], 1, #prefix) == prefix then -- the others are arq's own
      found[#found + 1] = string.sub(jobs[i], #prefix + 1)
      found[#found + 1] = string.format('%.0f', now - tonumber(jobs[i + 1]))
    end
  end
end

local function look_into_lanes_of(base)
  look_into(base)
  for _, tenant in ipairs(redis.call('ZRANGE', base .. ':tenants', 0, 99)) do
    if tenant ~= '' then look_into(lane_in(base, tenant)) end
  end
end

look_into_lanes_of(KEYS[1])
for _, version in ipairs(redis.call('ZRANGE', KEYS[2], 0, 19)) do look_into_lanes_of(base_of(KEYS[1], version)) end
return found
