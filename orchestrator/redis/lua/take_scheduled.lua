-- The calls of a shard whose schedules are to be looked at now. Each is looked at again later, unless somebody settles it.
-- KEYS: index
-- ARGV: 1 most calls  2 when to look again (ms)
-- Returns {when the first one is due after that (ms), or '', their SIDs…}
-- include: call_clock
-- include: full_server
go_on_with_agenda(KEYS[1])
local now = now_ms()
local found = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, tonumber(ARGV[1]))
for _, call_sid in ipairs(found) do redis.call('ZADD', KEYS[1], 'XX', now + tonumber(ARGV[2]), call_sid) end
table.insert(found, 1, redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] or '')
return found
