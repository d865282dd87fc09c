-- Included: put the call's job into its lane, in arq's own key layout (its JSON form), and wake one worker.
-- The job's id is fixed for the call: a claim takes the job off the queue in the same step as it takes the lease,
-- so a wake-up is never refused because of an earlier one. The job is a hint; the inbox is what is true.
local function wake_one(wake)
  if redis.call('LPUSH', wake, '1') > 1000 then redis.call('LTRIM', wake, 0, 999) end
  redis.call('PEXPIRE', wake, 60000)
end

local function put_into(lane, job_id, now)
  if lane.left then redis.call('ZREM', lane.left, job_id) end
  if redis.call('ZADD', lane.queue, 'NX', now, job_id) == 1 then redis.call('PEXPIRE', lane.queue, LANE_MS) end
  if lane.tenant ~= '' then
    redis.call('ZADD', lane.base .. ':tenants', 'NX', 0, lane.tenant)
    redis.call('PEXPIRE', lane.base .. ':tenants', LANE_MS)
  end
  wake_one(lane.wake)
end

local function enqueue(lane, job_key, job_id, job_function, call_sid, now)
  local body = '{"t":null,"f":' .. cjson.encode(job_function) .. ',"a":[' .. cjson.encode(call_sid)
    .. '],"k":{},"et":' .. string.format('%.0f', now) .. '}'
  redis.call('SET', job_key, body, 'PX', 86400000)
  put_into(lane, job_id, now)
end
