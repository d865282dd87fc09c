-- Hold a lease for longer. It may have run out: as long as nobody else was granted it, it is still ours.
-- KEYS: lease[, due]
-- ARGV: 1 call_sid  2 holder  3 epoch  4 lease (ms)
-- Returns 1, or 0 when the lease is lost
-- include: call_clock
-- include: call_due
local held = redis.call('HMGET', KEYS[1], 'holder', 'epoch')
if held[1] ~= ARGV[2] or held[2] ~= ARGV[3] then return 0 end
local till = now_ms() + tonumber(ARGV[4])
redis.call('HSET', KEYS[1], 'until', till)
if redis.call('PTTL', KEYS[1]) < 60000 then redis.call('PEXPIRE', KEYS[1], 60000) end -- it lives while it is held
if KEYS[2] then
  mark_due(KEYS[2], till, ARGV[1])
  if redis.call('PTTL', KEYS[2]) < 43200000 then redis.call('PEXPIRE', KEYS[2], 86400000) end
end
return 1
