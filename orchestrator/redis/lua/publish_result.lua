-- Publish a result, which replicas have confirmed, to the call's listeners.
-- KEYS: listeners
-- ARGV: 1 message
-- Returns how many channels were told
-- include: call_clock
local channels = redis.call('ZRANGEBYSCORE', KEYS[1], now_ms(), '+inf')
for _, channel in ipairs(channels) do redis.call('PUBLISH', channel, ARGV[1]) end
return #channels
