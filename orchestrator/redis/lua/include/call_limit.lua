-- Included: how many calls of one tenant or route there are at once. `limited` is a sorted set: call SID → when the
-- call began (ms). Nobody takes a call off it that ends, expires or is deleted: that costs nothing on the turns' path,
-- and is done here, by the index of active calls, once all lines seem taken.
local function has_line(limited, calls, call_sid, most, now)
  redis.call('ZREM', limited, call_sid) -- of an earlier life
  if redis.call('ZCARD', limited) < most then return true end
  for _, other in ipairs(redis.call('ZRANGE', limited, 0, -1)) do
    local until_seconds = redis.call('ZSCORE', calls, other)
    if not until_seconds or tonumber(until_seconds) <= now / 1000 then redis.call('ZREM', limited, other) end
  end
  return redis.call('ZCARD', limited) < most
end

local function take_line(limited, call_sid, now, life)
  redis.call('ZADD', limited, now, call_sid)
  if redis.call('PTTL', limited) < life + 60000 then redis.call('PEXPIRE', limited, life + 86400000) end
end
