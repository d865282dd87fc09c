-- Note that a person who was rung takes a call.
-- KEYS: transfer-answers (hash)
-- ARGV: 1 the field: which transfer, and which of its targets  2 the leg of that person  3 life (ms)
-- Returns 1.
-- PEXPIRE comes first: after a write that needs no memory, a full server lets a running call go on.
redis.call('PEXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
