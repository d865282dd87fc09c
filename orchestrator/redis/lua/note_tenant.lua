-- Note whose call it is, before its first turn comes.
-- KEYS: lease
-- ARGV: 1 tenant  2 life of the lease's record (ms)
-- Returns 1
redis.call('HSET', KEYS[1], 'tenant', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
