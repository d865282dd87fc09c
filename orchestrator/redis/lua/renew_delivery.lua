-- Renew the lease of a delivery.
-- KEYS: outbox
-- ARGV: 1 holder  2 epoch  3 lease (ms)
-- Returns 1, or 0 if the lease is another's
-- include: call_clock
-- include: full_server
go_on_with_outbox(KEYS[1])
local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'until', now_ms() + tonumber(ARGV[3]))
return 1
