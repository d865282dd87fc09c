-- The number of the next document that connects a relay call: one more than any whose session has begun, or is over.
-- KEYS: documents (hash: issued, used, over, holder)
-- ARGV: 1 the number of the document whose session is over, or 0  2 life (ms)
-- Returns the number and the time (ms).
-- include: call_clock
local key = KEYS[1]
local over = math.max(tonumber(redis.call('HGET', key, 'over') or '0'), tonumber(ARGV[1]))
local used = tonumber(redis.call('HGET', key, 'used') or '0')
local number = math.max(over, used) + 1
-- PEXPIRE comes first: after a write that needs no memory, a full server lets a running call go on.
redis.call('PEXPIRE', key, ARGV[2])
redis.call('HSET', key, 'issued', number)
if over > 0 then redis.call('HSET', key, 'over', over) end
redis.call('PEXPIRE', key, ARGV[2])
return { number, now_ms() }
