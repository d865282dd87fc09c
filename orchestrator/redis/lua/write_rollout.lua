-- Write a rollout plan, unless one is there that it does not follow. Safe to repeat.
-- KEYS: rollout
-- ARGV: 1 its revision  2 life (ms)  3 "1" if it may take the place of the revision before it alone, "" of any older one
--       4 id of the change  5… names and values of its fields
-- Returns 1, or 0 if another plan is there: then nothing is written
local key, revision = KEYS[1], tonumber(ARGV[1])
local stored = tonumber(redis.call('HGET', key, 'revision') or '') or 0
if stored == revision and redis.call('HGET', key, 'change') == ARGV[4] then
  redis.call('PEXPIRE', key, ARGV[2])
  return 1
end
if stored >= revision or (ARGV[3] ~= '' and stored ~= revision - 1) then return 0 end
redis.call('DEL', key)
redis.call('HSET', key, 'revision', ARGV[1], 'change', ARGV[4], unpack(ARGV, 5))
redis.call('PEXPIRE', key, ARGV[2])
return 1
