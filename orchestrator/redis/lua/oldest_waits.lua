-- How long the oldest job for a call's turns has waited in the lanes of a shard that a living worker serves, by tenant.
-- KEYS: queue, versions
-- ARGV: 1 id prefix of turn jobs
-- Returns {tenant, milliseconds, …}; '' is nobody's in particular
-- include: call_clock
-- include: call_lane
local now, prefix, waits = now_ms(), ARGV[1], {}

local function look_into(lane, tenant)
  local jobs = redis.call('ZRANGE', lane, 0, 9, 'WITHSCORES')
  for i = 1, #jobs, 2 do
    if string.sub(jobs[i], 1, #prefix) == prefix then -- the others are arq's own
      waits[tenant] = math.max(waits[tenant] or 0, now - tonumber(jobs[i + 1]))
      return
    end
  end
end

local function look_into_lanes_of(base)
  look_into(base, '')
  for _, tenant in ipairs(redis.call('ZRANGE', base .. ':tenants', 0, 999)) do
    if tenant ~= '' then look_into(lane_in(base, tenant), tenant) end
  end
end

look_into_lanes_of(KEYS[1])
for _, version in ipairs(redis.call('ZRANGE', KEYS[2], 0, 99)) do
  if is_served(KEYS[1], version, now) then look_into_lanes_of(base_of(KEYS[1], version)) end
end
local found = {}
for tenant, wait in pairs(waits) do
  found[#found + 1] = tenant
  found[#found + 1] = string.format('%.0f', wait)
end
return found
