-- Take off the inbox what waits there and is no turn.
-- KEYS: inbox, turns, lease
-- ARGV: 1 holder  2 epoch  3 turn id
-- Returns 1, or 0 when the lease is lost
local held = redis.call('HMGET', KEYS[3], 'holder', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
redis.call('LREM', KEYS[1], 0, ARGV[3])
redis.call('HDEL', KEYS[2], ARGV[3])
return 1
