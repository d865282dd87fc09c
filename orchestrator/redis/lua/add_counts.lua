-- Add what a worker has counted since its last batch to what the fleet has, once however often the batch is sent.
-- KEYS: counts (hash: began (ms), and each count by its name), number of the worker's last batch
-- ARGV: 1 number of this batch  2 life of the counts (ms)  3 life of the batch's number (ms)  4 most counts that are kept
--       5… the name of a count and what to add to it, and so on
-- Returns 1, or 0 if the batch was added before
-- include: call_clock
local counts, last = KEYS[1], redis.call('GET', KEYS[2])
if last and (tonumber(last) or 0) >= tonumber(ARGV[1]) then return 0 end
if redis.call('HLEN', counts) > tonumber(ARGV[4]) then redis.call('DEL', counts) end -- all of them begin anew
redis.call('HSETNX', counts, 'began', now_ms())
for first = 5, #ARGV, 1000 do -- Lua passes no more than some thousands of arguments at once
  local names, sums = {}, {}
  for i = first, math.min(first + 999, #ARGV), 2 do names[#names + 1] = ARGV[i] end
  for i, before in ipairs(redis.call('HMGET', counts, unpack(names))) do
    local sum = (tonumber(before or 0) or 0) + tonumber(ARGV[first + 2 * i - 1])
    sums[2 * i - 1], sums[2 * i] = names[i], string.format('%.17g', sum)
  end
  redis.call('HSET', counts, unpack(sums))
end
redis.call('PEXPIRE', counts, ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
return 1
