-- A scheduled item is carried out: take it off, and write what is told of it.
-- KEYS: schedule[, index][, outbox[, agenda]]
-- ARGV: 1 call_sid  2 id  3 holder  4 epoch  5 "1" if it must never be written again  6 number of keys of the outbox
--       7 name of what came of it, or ''  8… an announcement (outbox_write), or nothing
-- Returns 1; 0 if the lease is another's, the item is not there any more, or another item came to the same
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
-- include: outbox_late
-- include: schedule_write
-- include: schedule_look
local schedule, outbox_keys = KEYS[1], tonumber(ARGV[6])
local others = #KEYS - outbox_keys
local index = others > 1 and KEYS[2] or nil
local outbox, agenda = outbox_keys > 0 and KEYS[others + 1] or nil, outbox_keys > 1 and KEYS[others + 2] or nil
redis.call('HDEL', schedule, '') -- goes on although the server is full: this frees memory
if outbox then redis.call('HGET', outbox, 'life') end -- before anything is written, so that a key of the wrong type is found
if not own_lease(schedule, ARGV[2], ARGV[3], ARGV[4]) then return 0 end
if ARGV[7] ~= '' then
  redis.call('HSETNX', schedule, 'n:' .. ARGV[7], ARGV[2])
  if redis.call('HGET', schedule, 'n:' .. ARGV[7]) ~= ARGV[2] then return 0 end
end
remove_item(schedule, ARGV[2])
if ARGV[5] == '1' then
  redis.call('HSET', schedule, 's:' .. ARGV[2], '1')
  keep_schedule(schedule, MESSAGES_MS)
end
if index and redis.call('EXISTS', schedule) == 0 then redis.call('ZREM', index, ARGV[1]) end
if outbox then
  local now = now_ms()
  mark_announced(outbox, agenda, ARGV[1], announce_late(outbox, 8, now), now, now)
end
return 1
