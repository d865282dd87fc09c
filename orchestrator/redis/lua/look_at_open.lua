-- What is known of a call whose end has not been told.
-- KEYS: outbox, state
-- Returns {life, head, end_at (ms) or '', state_by (ms) or '', now (ms), state or false} or false: its end was told, or it
--         is not known
-- include: call_clock
local fields = redis.call('HMGET', KEYS[1], 'open', 'life', 'head', 'end_at', 'state_by')
if not fields[1] then return false end
local readable, state = pcall(redis.call, 'GET', KEYS[2])
local told = {fields[2] or '', fields[3] or '', fields[4] or '', fields[5] or '', string.format('%.0f', now_ms())}
told[6] = readable and state or not readable and '?'
return told
