-- Cluster: how it stands with a call.
-- KEYS: state, inbox, turns, lease
-- Returns {"held", for how long (ms)}: its turn runs, or is put off | {"waits", 0}: nobody is at its turns |
--         {"idle", for how long its state lives (ms); 0 if the call is over}; each with the version that it is pinned to, and
--         its tenant
-- include: call_clock
-- include: call_numbers
-- include: call_next
local lease = redis.call('HMGET', KEYS[4], 'until', 'ended', 'version', 'tenant')
local version, tenant = lease[3] or '', lease[4] or ''
if next_turn(KEYS[2], KEYS[3]) then
  local left = number_of(lease[1]) - now_ms()
  if left > 0 then return {'held', left, version, tenant} end
  return {'waits', 0, version, tenant}
end
if lease[2] == '1' then return {'idle', 0, version, tenant} end
return {'idle', math.max(0, redis.call('PTTL', KEYS[1])), version, tenant}
