-- What the ingresses seal with: one key, made once, and those that some of them sealed with before they knew it.
-- KEYS: seal keys (hash: current, since (ms), other:{hash of a key}; current-hash, where keys are stored encrypted)
-- ARGV: 1 a key to begin with, or "" for a fleet that has one in its settings  2 life (ms)  3 most keys kept
--       4 its hash if the keys are encrypted, or ''  5… further keys that the asker has sealed with, each after its hash
-- Returns how long ago the hash was begun (ms), the current key or "", and the others.
-- include: call_clock
local key, now = KEYS[1], now_ms()
local all = redis.call('HGETALL', key)
local found, number = {}, #all / 2
for i = 1, #all, 2 do found[all[i]] = all[i + 1] end

-- Write a field that is not there.
local function add(field, value)
  redis.call('HSET', key, field, value)
  found[field], number = value, number + 1
end

if not found.since then add('since', now) end
if ARGV[1] ~= '' and not found.current then
  add('current', ARGV[1])
  if ARGV[4] ~= '' then add('current-hash', ARGV[4]) end
end
local current = found.current or ''
local current_hash = found['current-hash'] or redis.sha1hex(current)
for i = 5, #ARGV, 2 do
  local other = 'other:' .. ARGV[i]
  if ARGV[i] ~= current_hash and not found[other] and number < tonumber(ARGV[3]) then add(other, ARGV[i + 1]) end
end
redis.call('PEXPIRE', key, ARGV[2])
local answer = { now - tonumber(found.since), current }
for field, value in pairs(found) do
  if string.sub(field, 1, 6) == 'other:' then answer[#answer + 1] = value end
end
return answer
