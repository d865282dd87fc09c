-- Included: an active call stands in the index for so long from now (ms) at least.
local function keep_entry(index, call_sid, now, life)
  redis.call('ZADD', index, 'XX', 'GT', (now + life) / 1000, call_sid)
  if redis.call('PTTL', index) < life + 60000 then redis.call('PEXPIRE', index, life + 86400000) end
end
