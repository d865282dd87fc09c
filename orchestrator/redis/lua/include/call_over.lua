-- Included: a call that nobody knows, and of which the provider has said that it is over. Its end has overtaken its
-- beginning: for a while the call cannot begin any more.
local function is_over(lease, now)
  local over = redis.call('HGET', lease, 'over')
  return over and tonumber(over) > now
end

local function note_over(lease, now, milliseconds)
  redis.call('HSET', lease, 'over', now + milliseconds)
  if redis.call('PTTL', lease) < milliseconds then redis.call('PEXPIRE', lease, milliseconds) end
end
