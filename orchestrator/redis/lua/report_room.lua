-- Say how many more turns a worker has room for, and look whether a job is due.
-- KEYS: queue, room, presence
-- ARGV: 1 holder  2 free slots  3 how many pushed grants it has received  4 prefix of workers' control channels
--       5 life of its presence (ms)  6 its version, or ''  7 the version that its calls are pinned to, or ''
-- Returns {1 if a job is due or 0, how many grants were pushed to the worker, how long ago the last one was (ms)};
--         without the last two if they could not be read or written: the server is full, or a key has the wrong type.
-- include: call_clock
-- include: call_numbers
-- include: worker_room
local now = now_ms()
local due = #redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, 1)
local sound, pushed, quiet = pcall(report_room, KEYS[2], KEYS[3], ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), now,
  tonumber(ARGV[5]), ARGV[6], ARGV[7])
if sound then
  local last = redis.call('ZRANGE', KEYS[2], 0, 0)[1] -- of the dead that left room behind, each report removes one
  if redis.call('EXISTS', ARGV[4] .. last .. ':presence') == 0 then redis.call('ZREM', KEYS[2], last) end
end
return sound and {due, pushed, quiet} or {due}
