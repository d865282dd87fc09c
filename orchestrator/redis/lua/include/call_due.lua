-- Included: see to it that somebody looks after the call from `at` (ms) on; with 'NX', unless that is settled already.
local function mark_due(due, at, call_sid, nx)
  if nx then redis.call('ZADD', due, nx, at, call_sid) else redis.call('ZADD', due, at, call_sid) end
  redis.call('PEXPIRE', due, 86400000)
end
