-- Delete a call. Its lease keeps the epoch, so that a worker that still runs the call cannot write for the next one.
-- KEYS: state, inbox, turns, listeners, lease, schedule, transfer-answers[, calls, due, index of schedules]
-- ARGV: 1 call_sid
-- Returns 1 if there was a state, else 0.
local existed = redis.call('DEL', KEYS[1])
redis.call('DEL', KEYS[2], KEYS[3], KEYS[4], KEYS[6], KEYS[7])
if not pcall(redis.call, 'HDEL', KEYS[5], 'holder', 'until', 'turn', 'attempts', 'ended', 'ending', 'streamed', 'limited_as') then
  redis.call('DEL', KEYS[5])
end
for place = 8, #KEYS do redis.call('ZREM', KEYS[place], ARGV[1]) end
return existed
