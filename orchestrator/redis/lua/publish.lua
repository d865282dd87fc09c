-- Send a piece of a reply to the call's listeners, if the lease is still held.
-- KEYS: lease, listeners
-- ARGV: 1 holder  2 epoch  3 message
-- Returns how many channels were told, or -1 when the lease is lost
-- include: call_clock
local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return -1 end
local channels = redis.call('ZRANGEBYSCORE', KEYS[2], now_ms(), '+inf')
for _, channel in ipairs(channels) do redis.call('PUBLISH', channel, ARGV[3]) end
return #channels
