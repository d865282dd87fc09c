-- Begin a call, or find the live one.
-- KEYS: state[, calls]
-- ARGV: 1 call_sid  2 state JSON  3 state's life (ms)  4 "1" if the call is active
-- Returns the JSON of the state that was there, or false: the given one was written.
-- include: call_clock
-- include: state_index
local there = redis.call('GET', KEYS[1])
if there then return there end
local life = tonumber(ARGV[3])
redis.call('SET', KEYS[1], ARGV[2], 'PX', life)
index_call(KEYS[2], ARGV[1], ARGV[4] == '1', now_ms(), life)
return false
