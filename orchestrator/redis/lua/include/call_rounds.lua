-- Included: whether those are to be looked for now whose turns wait though nobody holds them; `rounds` is when somebody
-- looked last. After a time in which nobody could, Redis was down for lease holders as well: they get `grace` (ms) to
-- renew their leases, so that turns which they run, and callers have heard, are not run again by another worker.
-- While no call is due nobody notes here that they looked; but the caller knows for how long Redis was
-- `silent` (ms) since its last search.
local function may_rescue(rounds, now, grace, silent)
  if grace == 0 then return true end
  local last = redis.call('HMGET', rounds, 'at', 'from')
  -- PEXPIRE comes first: after a write that needs no memory, a full server lets the others through.
  redis.call('PEXPIRE', rounds, 86400000)
  redis.call('HSET', rounds, 'at', now)
  redis.call('PEXPIRE', rounds, 86400000)
  if math.abs(now - number_of(last[1])) > grace and silent > grace then -- the clock of another master may be behind
    redis.call('HSET', rounds, 'from', now + grace)
    return false
  end
  return now >= number_of(last[2])
end
