-- Cluster: note when a call is to be looked at next, unless its entry has changed since it was read.
-- KEYS: agenda
-- ARGV: 1 call_sid  2 its entry's score when that was read, or ''  3 when (ms), or '' for never
-- Returns 1, or 0 if the entry has changed
-- include: full_server
go_on_with_agenda(KEYS[1])
local score = redis.call('ZSCORE', KEYS[1], ARGV[1]) or ''
if score ~= ARGV[2] then return 0 end
if ARGV[3] == '' then
  redis.call('ZREM', KEYS[1], ARGV[1])
else
  redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
  redis.call('PEXPIRE', KEYS[1], 1728000000)
end
return 1
