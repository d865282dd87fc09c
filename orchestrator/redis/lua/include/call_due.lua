-- Included: see to it that somebody looks after the call from `at` (ms) on; with 'NX', unless that is settled already.
-- Only an added call renews the life of `due`, and may have created it: an entry is moved for some hours at most, unless
-- its lease is renewed (renew.lua).
local function mark_due(due, at, call_sid, nx)
  local added = nx and redis.call('ZADD', due, nx, at, call_sid) or not nx and redis.call('ZADD', due, at, call_sid)
  if added == 1 then redis.call('PEXPIRE', due, 86400000) end
end
