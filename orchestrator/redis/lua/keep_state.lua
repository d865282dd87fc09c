-- Let a call live for longer, if it would not anyway: it is open, though nothing is written.
-- KEYS: state, inbox, turns, lease[, calls]
-- ARGV: 1 call_sid  2 for how long from now (ms)
-- Returns 1 if there is a state, else 0
-- include: call_clock
-- include: state_keep_entry
local life = tonumber(ARGV[2])
local left = redis.call('PTTL', KEYS[1])
if left == -2 then return 0 end
if left < life then redis.call('PEXPIRE', KEYS[1], life) end
for place = 2, 4 do  -- what else belongs to the call outlives its state
  local rest = redis.call('PTTL', KEYS[place])
  if rest ~= -2 and rest < life + 60000 then redis.call('PEXPIRE', KEYS[place], life + 60000) end
end
if KEYS[5] then keep_entry(KEYS[5], ARGV[1], now_ms(), life) end
return 1
