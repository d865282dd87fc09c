-- Claim what of a call's schedule is due and free, each item under a lease of its own.
-- KEYS: schedule[, index]
-- ARGV: 1 call_sid  2 holder  3 lease (ms)  4 when to look again for want of room (ms); then kind, how many of it, …
-- Returns {when to look next (ms) or '': never, {id, JSON, epoch, attempt, failures, posting since or ''}, …}. Without the
-- index, which lies in another slot in a cluster, the caller notes that there.
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: schedule_write
-- include: schedule_look
local schedule, index, call_sid, now = KEYS[1], KEYS[2], ARGV[1], now_ms()
redis.call('HDEL', schedule, '') -- goes on although the server is full: what is carried out frees memory
local room, claimed, next_at = {}, {''}, nil
for place = 5, #ARGV, 2 do room[ARGV[place]] = tonumber(ARGV[place + 1]) end
local items = items_in(schedule)
for _, item in ipairs(items) do
  local at = item.at
  if at <= now then
    local left = room[item.kind] or 0
    if left > 0 then
      room[item.kind] = left - 1
      local lease = item.lease
      lease.holder, lease.till = ARGV[2], now + tonumber(ARGV[3])
      lease.attempts, lease.epoch = lease.attempts + 1, lease.epoch + 1
      write_lease(schedule, item.id, lease)
      at = lease.till
      claimed[#claimed + 1] = {item.id, item.json, lease.epoch, lease.attempts, lease.failures, item.posting or ''}
    else
      at = now + tonumber(ARGV[4])
    end
  end
  if not next_at or at < next_at then next_at = at end
end
if claimed[2] then keep_schedule(schedule, SCHEDULE_MS) end
note_look(index, call_sid, next_at)
claimed[1] = next_at and string.format('%.0f', next_at) or ''
return claimed
