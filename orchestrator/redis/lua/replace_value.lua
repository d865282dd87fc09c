-- Write a value anew that says the same, unless somebody has changed it meanwhile.
-- KEYS: a string or a hash
-- ARGV: 1 field of the hash, or '' for a string  2 what is there  3 what is to be there
-- Returns 1, or 0 if something else is there, or nothing
local key, field = KEYS[1], ARGV[1]
if field == '' then
  if redis.call('GET', key) ~= ARGV[2] then return 0 end
  redis.call('SET', key, ARGV[3], 'KEEPTTL')
  return 1
end
if redis.call('HGET', key, field) ~= ARGV[2] then return 0 end
redis.call('HSET', key, field, ARGV[3])
-- An outbox knows how large its entries are together (outbox_write).
if string.sub(field, 1, 2) == 'e:' and redis.call('HGET', key, 'bytes') then
  redis.call('HINCRBY', key, 'bytes', #ARGV[3] - #ARGV[2])
end
return 1
