-- Whether a call that has a line needs none any more.
-- KEYS: state, lease
-- Returns 'over', 'live', or 'unknown': it has no state here
if redis.call('HGET', KEYS[2], 'ended') == '1' then return 'over' end
return redis.call('EXISTS', KEYS[1]) == 1 and 'live' or 'unknown'
