-- Included: grant the call's lease to `holder` if it is free and a turn waits.
-- keys: state, inbox, turns, lease, due (false where it lies in another slot).
-- The call is pinned to the version `pin` of the holder from now on, unless that is ''.
-- Returns {epoch, attempt, ending, streamed, turn, interruption, state, turn's id, version, holder, until} or nil; the state
-- is '?' where its key holds no string; the version is the other one that the call was pinned to before, or ''; holder and
-- until are those of the expired lease under which this turn was begun, or ''. Running the same turn again
-- counts an attempt, but not when `holder` takes over from itself: it lives, and had merely been cut off. A claim
-- `on_approval` is counted when it is confirmed. `known` is {id, body, state, lease} where the script knows them already: the
-- only turn that waits, and the fields of the lease.
local function claim_call(keys, call_sid, holder, pin, lease_ms, keep_ms, now, on_approval, known)
  local lease = known and known.lease
    or redis.call('HMGET', keys.lease, 'holder', 'until', 'turn', 'attempts', 'ending', 'streamed', 'epoch', 'version')
  if lease[1] and lease[1] ~= '' and number_of(lease[2]) > now then return nil end
  local id, body, ids
  if known then
    id, body, ids = known.id, known.body, {known.id}
  else
    id, body, ids = next_turn(keys.inbox, keys.turns)
  end
  if not id then
    if keys.due then redis.call('ZREM', keys.due, call_sid) end
    return nil
  end
  local attempt = 1
  if lease[3] == id then
    local begun = number_of(lease[4])
    if lease[1] == holder then attempt = math.max(1, begun) else attempt = begun + 1 end
  end
  local epoch = number_of(lease[7])
  -- What is no count, or none that a script can print, begins again: the holder's name tells old leases from new.
  if epoch < 0 or epoch % 1 ~= 0 or epoch > 1e15 then epoch = 0 end
  epoch = epoch + 1
  -- Before the lease is granted, so that a key of the wrong type grants nothing that nobody hears of.
  if keys.due then mark_due(keys.due, now + lease_ms, call_sid) end
  local before = lease[8] or ''
  local version = pin ~= '' and pin or before
  redis.call('HSET', keys.lease, 'holder', holder, 'until', now + lease_ms, 'turn', id, 'epoch', epoch,
    'attempts', on_approval and attempt - 1 or attempt, 'version', version)
  if on_approval then redis.call('HSET', keys.lease, 'forgiven', epoch) end
  -- An older record has a life, which the turn's submit has renewed.
  if epoch == 1 then redis.call('PEXPIRE', keys.lease, keep_ms) end
  local interruption = cut_off(keys.turns, ids, lease[3] == id)
  local readable, state = true, known and known.state
  if not known then readable, state = pcall(redis.call, 'GET', keys.state) end
  return {epoch, attempt, lease[5] or '', lease[6] or '', body, interruption, readable and state or not readable and '?', id,
    before ~= version and before or '', lease[3] == id and lease[1] or '', lease[3] == id and lease[2] or ''}
end
