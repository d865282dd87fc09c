-- Included: whether those are to be looked for now whose turns wait though nobody holds them; `rounds` is when somebody
-- looked last. After a time in which nobody could, Redis was away from those who hold leases as well: they are given
-- `grace` (ms) to renew them, so that what they have in hand, and a caller has heard, is not begun anew by another.
-- While nobody is due nobody notes here that they looked; but who asks has seen `seen_ago` (ms) that Redis answers.
local function may_look(rounds, now, grace, seen_ago)
  if grace == 0 then return true end
  local last = redis.call('HMGET', rounds, 'at', 'from')
  -- PEXPIRE comes first: after a write that needs no memory, a full server lets the others through.
  redis.call('PEXPIRE', rounds, 86400000)
  redis.call('HSET', rounds, 'at', now)
  redis.call('PEXPIRE', rounds, 86400000)
  if math.abs(now - number_of(last[1])) > grace and seen_ago > grace then -- the clock of another master may be behind
    redis.call('HSET', rounds, 'from', now + grace)
    return false
  end
  return now >= number_of(last[2])
end
