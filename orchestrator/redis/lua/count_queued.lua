-- How many calls are on a shard's queue, in all its lanes. The jobs of arq itself, which only the queue for any worker has,
-- are none: they stay there while they run, and those of a worker that was killed long after that.
-- KEYS: queue, versions
-- ARGV: 1 id prefix of turn jobs  2 how many ids to look at
-- Returns the number
local count, prefix, most = 0, ARGV[1], tonumber(ARGV[2])
local function add(base)
  count = count + redis.call('ZCARD', base)
  for _, tenant in ipairs(redis.call('ZRANGE', base .. ':tenants', 0, 999)) do
    if tenant ~= '' then count = count + redis.call('ZCARD', base .. ':tenant:' .. tenant) end
  end
end
add(KEYS[1])
for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, most - 1)) do
  if string.sub(id, 1, #prefix) ~= prefix then count = count - 1 end
end
for _, version in ipairs(redis.call('ZRANGE', KEYS[2], 0, 99)) do add(KEYS[1] .. ':version:' .. version) end
return count
