-- Included: the queues of a shard, its lanes. `arq:queue` is for calls that any worker may run. Beside it there is one for the
-- workers of each version, `…:version:V`, and of each of them one for every tenant, `…:tenant:T`. `…:tenants` has the tenants
-- whose lane has jobs → when one of them was served last (ms), and `…:version:V:workers` the workers of a version → until
-- when they live for sure (ms). All workers of a version wait on one list.
local LANE_MS = 86400000

local function base_of(queue, version) return version == '' and queue or queue .. ':version:' .. version end

local function lane_in(base, tenant) return tenant == '' and base or base .. ':tenant:' .. tenant end

local function is_served(queue, version, now)
  if version == '' then return false end
  local sound, workers = pcall(redis.call, 'ZCOUNT', base_of(queue, version) .. ':workers', now, '+inf')
  return sound and workers > 0
end

-- The version of the workers at which a new call is to begin by the rollout plan, or '': at any.
local function planned_version(queue, due, call_sid, now)
  local rollout = string.gsub(due, 'due$', 'rollout')
  local sound, plan = pcall(redis.call, 'HMGET', rollout, 'current', 'ramping', 'percent')
  if not sound then return '' end
  local ramping = plan[2] or ''
  if is_served(queue, ramping, now) then
    local place = tonumber(string.sub(redis.sha1hex(call_sid), 1, 8), 16) % 10000
    if place < (tonumber(plan[3] or '') or 0) * 100 then return ramping end
  end
  return plan[1] or ''
end

-- The lane of a call. `version` is the one that it is pinned to, or ''. While no worker of its version lives it is anyone's,
-- and a job that it may have in the lane that it leaves is of no use any more.
local function lane_of(queue, due, call_sid, version, tenant, now)
  version, tenant = version or '', tenant or ''
  if version == '' then version = planned_version(queue, due, call_sid, now) end
  local left = nil
  if version ~= '' and not is_served(queue, version, now) then
    left, version = lane_in(base_of(queue, version), tenant), ''
  end
  local base = base_of(queue, version)
  return {
    queue = lane_in(base, tenant), base = base, wake = base .. ':wake', tenant = tenant, version = version, left = left,
    anyones = queue,
  }
end
