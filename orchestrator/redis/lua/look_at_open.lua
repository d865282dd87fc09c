-- What is known of a call whose end has not been told; of several lives, the earliest.
-- KEYS: outbox, state
-- Returns {life, head, end_at (ms) or '', state_by (ms) or '', now (ms), state or false, "1" if there is a later life or ''}
--         or false: its end was told, or nothing is known
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
local now = string.format('%.0f', now_ms())
local earlier = earlier_lives(KEYS[1])[1]
if type(earlier) == 'table' then
  return {tostring(earlier.life), tostring(earlier.head), '', '', now, false, '1'}
end
local fields = redis.call('HMGET', KEYS[1], 'open', 'life', 'head', 'end_at', 'state_by')
if not fields[1] then return false end
local left, end_at = redis.call('PTTL', KEYS[2]), fields[4] or ''
if left >= 0 and end_at ~= '' then end_at = string.format('%.0f', before_expiry(number_of(end_at), left, tonumber(now))) end
local readable, state = pcall(redis.call, 'GET', KEYS[2])
local found = readable and state or not readable and '?'
return {fields[2] or '', fields[3] or '', end_at, fields[5] or '', now, found, ''}
