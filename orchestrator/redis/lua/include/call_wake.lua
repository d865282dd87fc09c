-- Included: put the call's job on the queue, in arq's own key layout (its JSON form), and wake one worker.
-- The job's id is fixed for the call: a claim takes the job off the queue in the same step as it takes the lease,
-- so a wake-up is never refused because of an earlier one. The job is a hint; the inbox is what is true.
local function wake_one(wake)
  if redis.call('LPUSH', wake, '1') > 1000 then redis.call('LTRIM', wake, 0, 999) end
  redis.call('PEXPIRE', wake, 60000)
end

local function enqueue(queue, wake, job_key, job_id, job_function, call_sid, now)
  local body = '{"t":null,"f":' .. cjson.encode(job_function) .. ',"a":[' .. cjson.encode(call_sid)
    .. '],"k":{},"et":' .. string.format('%.0f', now) .. '}'
  redis.call('SET', job_key, body, 'PX', 86400000)
  if redis.call('ZADD', queue, 'NX', now, job_id) == 1 then redis.call('PEXPIRE', queue, 86400000) end
  wake_one(wake)
end
