-- Take a line of a tenant's or route's limit for a call, where `submit` cannot: the calls lie in other slots, or their
-- states elsewhere.
-- KEYS: limited
-- ARGV: 1 call_sid, or '' to ask only  2 most calls, or '' for any number  3 the call's life (ms)
--       4… calls that are over: call_sid, score; again and again
-- Returns {1}, or {0, now (ms), {call_sid, score, …}}: all lines are taken, by these calls
-- include: call_clock
-- include: call_limit
local limited, call_sid, most, now = KEYS[1], ARGV[1], tonumber(ARGV[2]), now_ms()
for place = 4, #ARGV, 2 do
  local score = redis.call('ZSCORE', limited, ARGV[place])
  if score and tonumber(score) == tonumber(ARGV[place + 1]) then redis.call('ZREM', limited, ARGV[place]) end
end
local is_in = call_sid ~= '' and redis.call('ZSCORE', limited, call_sid)
if most and not is_in and redis.call('ZCARD', limited) >= most then
  return {0, now, redis.call('ZRANGE', limited, 0, -1, 'WITHSCORES')}
end
if call_sid ~= '' then take_line(limited, call_sid, now, tonumber(ARGV[3])) end
return {1}
