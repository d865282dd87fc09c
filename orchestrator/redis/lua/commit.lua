-- Settle a turn: write the state, record the result, publish it, and keep or release the lease.
-- KEYS: state, inbox, turns, lease, listeners[, calls, due, queue, wake, job[, room]][, schedule[, index]][, outbox[, agenda]]
-- ARGV: 1 call_sid  2 holder  3 epoch  4 turn id  5 expected version; '' or 'gone' if the state lies elsewhere,
--       'gone' if it cannot be read
--       6 state JSON  7 state's life (ms)  8 result JSON  9 message for listeners  10 "1" if the call is over
--       11 "1" to go on with the next turn  12 lease (ms)  13 job id  14 job function
--       15 how long the results are kept once no turn waits (ms)  16 number of keys of the outbox  17 of the schedule
--       18 number of arguments of the schedule's changes; then these (schedule_write); then, with keys of the outbox:
--       lease of a delivery (ms), or '' if the holder has no room for one; most entries; most bytes; an announcement
--       (outbox_write); the sinks to which the holder delivers
-- Returns {status, next turn's {attempt, ending, streamed, turn, interruption, its id} or false, state or false[, delivery or false]};
--         instead of the next turn 'left' if turns wait and no worker was woken, as the queue lies in another slot;
--         the delivery is as `claim_outbox` returns it
-- include: call_clock
-- include: call_lane
-- include: call_wake
-- include: call_next
-- include: call_due
-- include: state_index
-- include: call_numbers
-- include: worker_room
-- include if ARGV[16] ~= '0': outbox_write
-- include if ARGV[16] ~= '0': outbox_claim
-- include if ARGV[17] ~= '0': schedule_write
local call_sid, life = ARGV[1], tonumber(ARGV[7])
local state, inbox, turns, lease, listeners = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local CHANGES, OUTBOX = 19, 19 + tonumber(ARGV[18])
local scheduled = #KEYS - tonumber(ARGV[16])
local others = scheduled - tonumber(ARGV[17])
local function key(place) return place <= others and KEYS[place] or nil end
local calls, due, queue, job, room = key(6), key(7), key(8), key(10), key(11)
local schedule, index = KEYS[others + 1], others + 2 <= scheduled and KEYS[others + 2] or nil
if others == scheduled then schedule = nil end
local outbox, agenda = KEYS[scheduled + 1], KEYS[scheduled + 2]
local now = now_ms()

local function stored_version()
  local is_string, front = pcall(redis.call, 'GETRANGE', state, 0, 40)
  if not is_string then return tonumber(ARGV[5]) end -- that was no state of ours: what we hold is all there is
  if front == '' then return nil end
  local version = string.match(front, '^{"version":(%d+)')
  if version then return tonumber(version) end
  local readable, decoded = pcall(cjson.decode, redis.call('GET', state))
  return readable and type(decoded) == 'table' and tonumber(decoded.version or 0) or -1
end

-- Without a message the caller publishes it later, once replicas have what is written here.
local function publish_message()
  if ARGV[9] == '' then return end
  for _, channel in ipairs(redis.call('ZRANGEBYSCORE', listeners, now, '+inf')) do
    redis.call('PUBLISH', channel, ARGV[9])
  end
end

-- Take the next turn under the same lease, or release it; one step with the commit, so that no turn slips between.
-- `kept` is how long the turns are kept from now on (ms), or nil if nothing was written there.
local function next_or_release(kept)
  local id, body, ids = next_turn(inbox, turns)
  if not id then
    local results = tonumber(ARGV[15])
    if (kept or redis.call('PTTL', turns)) > results then kept = results end
  elseif kept then
    redis.call('PEXPIRE', inbox, kept)
  end
  if kept then redis.call('PEXPIRE', turns, kept) end
  if id and ARGV[11] == '1' then
    redis.call('HSET', lease, 'until', now + tonumber(ARGV[12]), 'turn', id, 'attempts', 1)
    if due then mark_due(due, now + tonumber(ARGV[12]), call_sid) end
    local flags = redis.call('HMGET', lease, 'ending', 'streamed')
    return {1, flags[1] or '', flags[2] or '', body, cut_off(turns, ids, false), id}
  end
  redis.call('HSET', lease, 'holder', '', 'until', 0)
  give_room_back(room, ARGV[2])
  if not due then return id and 'left' or false end
  if not id then
    redis.call('ZREM', due, call_sid)
  else
    mark_due(due, now, call_sid)
    local of = redis.call('HMGET', lease, 'version', 'tenant')
    enqueue(lane_of(queue, due, call_sid, of[1], of[2], now), job, ARGV[13], ARGV[14], call_sid, now)
  end
  return false
end

-- Write what is told of this turn. Returns what the holder is to deliver at once, or false.
local function tell()
  local lease_ms = tonumber(ARGV[OUTBOX])
  local written, rest = announce(outbox, OUTBOX + 3, now, life)
  local sinks, delivery = {}, false
  for place = rest, #ARGV do sinks[#sinks + 1] = ARGV[place] end
  if lease_ms then
    local most, most_bytes = tonumber(ARGV[OUTBOX + 1]), tonumber(ARGV[OUTBOX + 2])
    delivery = claim_outbox(outbox, ARGV[2], lease_ms, sinks, most, most_bytes, now) or false
  end
  mark_announced(outbox, agenda, call_sid, written, delivery and now + lease_ms or now, now)
  return delivery
end

-- Write what the turn changes in the call's schedule.
local function change()
  local first = change_schedule(schedule, CHANGES, OUTBOX - 1, now)
  if first and index then mark_scheduled(index, call_sid, first) end
end

-- Before anything is written, so that a key of the wrong type is found.
if schedule then redis.call('HGET', schedule, '') end
if index then redis.call('ZSCORE', index, call_sid) end
if outbox then redis.call('HGET', outbox, 'life') end
if agenda then redis.call('ZSCORE', agenda, call_sid) end
local held = redis.call('HMGET', lease, 'holder', 'epoch')
local ours = held[1] == ARGV[2] and held[2] == ARGV[3]
local known = redis.call('HGET', turns, ARGV[4])
if known and string.sub(known, 1, 1) == 'R' then
  if not ours then return {'recorded', false, false} end
  redis.call('LREM', inbox, 1, ARGV[4])
  local following, is_string, stored = next_or_release(), pcall(redis.call, 'GET', state)
  return {'recorded', following, is_string and stored or false}
end
if not ours then return {'lost', false, false} end
redis.call('PEXPIRE', lease, life + 60000)

local status, kept = 'committed', nil
if ARGV[5] == 'gone' then
  status = 'gone'
elseif ARGV[5] ~= '' then
  local version = stored_version()
  if not version then
    status = 'gone'
  elseif version ~= tonumber(ARGV[5]) then
    return {'conflict', false, redis.call('GET', state)}
  else
    redis.call('SET', state, ARGV[6], 'PX', life)
  end
end
redis.call('LREM', inbox, 1, ARGV[4])
if status == 'committed' then
  redis.call('HSET', turns, ARGV[4], 'R' .. ARGV[8])
  kept = life + 60000
  if schedule then change() end
  if ARGV[10] == '1' then
    redis.call('HSET', lease, 'ended', '1')
    index_call(calls, call_sid, false, now, life)
  else
    index_call(calls, call_sid, true, now, life)
  end
else
  redis.call('HDEL', turns, ARGV[4])
end
publish_message()
local following = next_or_release(kept)
return {status, following, false, outbox and status == 'committed' and tell() or false}
