-- Included: how a call stands in the index of active calls. In a cluster the index lies in another slot than the
-- state; a script that gets no index key leaves it alone, and the caller runs `index_call` after it.
local function index_call(index, call_sid, is_active, now, life)
  if not index then return end
  if not is_active then
    redis.call('ZREM', index, call_sid)
    return
  end
  redis.call('ZADD', index, (now + life) / 1000, call_sid)
  -- The index outlives its longest-lived entry, also when processes disagree about how long a call lives.
  if redis.call('PTTL', index) < life + 60000 then redis.call('PEXPIRE', index, life + 86400000) end
end
