-- Included: how often calls begin within a time (ms) under one name. `begun` is a sorted set: a call → when it began
-- (ms); or, negative, when it was refused, so that what is repeated gets the same answer and counts once.
local MOST_REFUSED = 100

-- Return 0 if the call may begin, else how long (ms) it is until another may.
local function rate_wait(begun, call, most, window, now)
  local since = now - window
  local score = tonumber(redis.call('ZSCORE', begun, call) or 0)
  if score > since then return 0 end
  if -score > since then return math.max(1, -score + window - now) end
  local first = '(' .. string.format('%.0f', since)
  if redis.call('ZCOUNT', begun, first, '+inf') < most then return 0 end
  local oldest = redis.call('ZRANGEBYSCORE', begun, first, '+inf', 'WITHSCORES', 'LIMIT', 0, 1)
  return math.max(1, tonumber(oldest[2]) + window - now)
end

local function note_begun(begun, call, window, now, is_refused)
  local since = string.format('%.0f', now - window)
  redis.call('ZREMRANGEBYSCORE', begun, 0, since)
  redis.call('ZREMRANGEBYSCORE', begun, '-' .. since, '(0')
  redis.call('ZADD', begun, 'NX', string.format('%.0f', is_refused and -now or now), call)
  if is_refused then
    local refused = redis.call('ZCOUNT', begun, '-inf', '(0')
    if refused > MOST_REFUSED then
      for _, oldest in ipairs(redis.call('ZRANGE', begun, MOST_REFUSED, refused - 1)) do redis.call('ZREM', begun, oldest) end
    end
  end
  redis.call('PEXPIRE', begun, window)
end
