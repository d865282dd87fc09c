-- What the ingresses seal with: one key, made once, and those that some of them sealed with before they knew it.
-- KEYS: seal keys (hash: current, since (ms), other:{hash of a key}; current-hash, where keys are stored encrypted)
-- ARGV: 1 a key to begin with, or "" for a fleet that has one in its settings  2 life (ms)  3 most keys kept
--       4 its hash if the keys are encrypted, or ''  5… further keys that the asker has sealed with, each after its hash
-- Returns how long ago the hash was begun (ms), the current key or "", and the others.
-- include: call_clock
local key = KEYS[1]
redis.call('HSETNX', key, 'since', now_ms())
if ARGV[1] ~= '' and redis.call('HSETNX', key, 'current', ARGV[1]) == 1 and ARGV[4] ~= '' then
  redis.call('HSET', key, 'current-hash', ARGV[4])
end
local current = redis.call('HGET', key, 'current') or ''
local current_hash = redis.call('HGET', key, 'current-hash') or redis.sha1hex(current)
for i = 5, #ARGV, 2 do
  if ARGV[i] ~= current_hash and redis.call('HLEN', key) < tonumber(ARGV[3]) then
    redis.call('HSETNX', key, 'other:' .. ARGV[i], ARGV[i + 1])
  end
end
redis.call('PEXPIRE', key, ARGV[2])
local answer = { now_ms() - tonumber(redis.call('HGET', key, 'since')), current }
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 6) == 'other:' then answer[#answer + 1] = all[i + 1] end
end
return answer
