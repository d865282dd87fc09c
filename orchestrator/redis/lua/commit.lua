-- Settle a turn: write the state, record the result, publish it, and keep or release the lease.
-- KEYS: state, inbox, turns, lease, listeners[, calls, due, queue, wake, job[, room]]
-- ARGV: 1 call_sid  2 holder  3 epoch  4 turn id  5 expected version; '' or 'gone' if the state lies elsewhere,
--       'gone' if it cannot be read
--       6 state JSON  7 state's life (ms)  8 result JSON  9 message for listeners  10 "1" if the call is over
--       11 "1" to go on with the next turn  12 lease (ms)  13 job id  14 job function
--       15 how long the results are kept once no turn waits (ms)
-- Returns {status, next turn's {attempt, ending, streamed, turn, interruption, its id} or false, state or false}; instead of the next turn
--         'left' if turns wait and no worker was woken, as the queue lies in another slot
-- include: call_clock
-- include: call_wake
-- include: call_next
-- include: call_due
-- include: state_index
-- include: call_numbers
-- include: worker_room
local call_sid, life = ARGV[1], tonumber(ARGV[7])
local state, inbox, turns, lease, listeners = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
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
    if KEYS[7] then mark_due(KEYS[7], now + tonumber(ARGV[12]), call_sid) end
    local flags = redis.call('HMGET', lease, 'ending', 'streamed')
    return {1, flags[1] or '', flags[2] or '', body, cut_off(turns, ids, false), id}
  end
  redis.call('HSET', lease, 'holder', '', 'until', 0)
  give_room_back(KEYS[11], ARGV[2])
  if not KEYS[7] then return id and 'left' or false end
  if not id then
    redis.call('ZREM', KEYS[7], call_sid)
  else
    mark_due(KEYS[7], now, call_sid)
    enqueue(KEYS[8], KEYS[9], KEYS[10], ARGV[13], ARGV[14], call_sid, now)
  end
  return false
end

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
  if ARGV[10] == '1' then
    redis.call('HSET', lease, 'ended', '1')
    index_call(KEYS[6], call_sid, false, now, life)
  else
    index_call(KEYS[6], call_sid, true, now, life)
  end
else
  redis.call('HDEL', turns, ARGV[4])
end
publish_message()
return {status, next_or_release(kept), false}
