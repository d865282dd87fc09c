-- How many jobs are on a shard's queue, in all its lanes.
-- KEYS: queue, versions
-- Returns the number
local count = 0
local function add(base)
  count = count + redis.call('ZCARD', base)
  for _, tenant in ipairs(redis.call('ZRANGE', base .. ':tenants', 0, 999)) do
    if tenant ~= '' then count = count + redis.call('ZCARD', base .. ':tenant:' .. tenant) end
  end
end
add(KEYS[1])
for _, version in ipairs(redis.call('ZRANGE', KEYS[2], 0, 99)) do add(KEYS[1] .. ':version:' .. version) end
return count
