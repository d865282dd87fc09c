-- Rename a key of the wrong type, so that what it stands for can be rebuilt; the old value is kept under the new name.
-- KEYS: key, where to keep it
-- ARGV: 1 the type it must have  2 how long it is kept (ms)
-- Returns the type that it had, or '' when there was nothing to do
local found = redis.call('TYPE', KEYS[1])['ok']
if found == 'none' or found == ARGV[1] then return '' end
redis.call('RENAME', KEYS[1], KEYS[2])
redis.call('PEXPIRE', KEYS[2], tonumber(ARGV[2]))
return found
