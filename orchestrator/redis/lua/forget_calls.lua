-- Drop calls whose state was found missing, unless they were written since: their score has changed then.
-- KEYS: calls
-- ARGV: call_sid, score; again and again
-- Returns how many were dropped.
local dropped = 0
for place = 1, #ARGV, 2 do
  local score = redis.call('ZSCORE', KEYS[1], ARGV[place])
  if score and tonumber(score) == tonumber(ARGV[place + 1]) then
    dropped = dropped + redis.call('ZREM', KEYS[1], ARGV[place])
  end
end
return dropped
