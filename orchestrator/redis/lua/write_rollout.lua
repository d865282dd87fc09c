-- Write a rollout plan in the place of an older one. Safe to repeat.
-- KEYS: rollout
-- ARGV: 1 its revision  2 life (ms)  3 id of the change  4… names and values of its fields
-- Returns 1, or 0 if a plan with this revision or a later one is there: then nothing is written
local key, revision = KEYS[1], tonumber(ARGV[1])
local stored = tonumber(redis.call('HGET', key, 'revision') or '') or 0
if stored == revision and redis.call('HGET', key, 'change') == ARGV[3] then
  redis.call('PEXPIRE', key, ARGV[2])
  return 1
end
if stored >= revision then return 0 end
redis.call('DEL', key)
redis.call('HSET', key, 'revision', ARGV[1], 'change', ARGV[3], unpack(ARGV, 4))
redis.call('PEXPIRE', key, ARGV[2])
return 1
