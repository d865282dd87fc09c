-- Count the attempt at a turn that was granted on approval, and is confirmed now.
-- KEYS: lease
-- ARGV: 1 holder  2 epoch  3 which attempt it is
-- Returns 1, or 0 when the lease is lost
local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'attempts', ARGV[3], 'forgiven', '')
return 1
