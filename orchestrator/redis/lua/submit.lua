-- Put a turn into its call's inbox, once, and see to it that somebody runs it.
-- KEYS: state, inbox, turns, lease, listeners[, calls, due, queue, wake, job[, room]][, outbox[, agenda]][, limited][, begun]
-- ARGV: 1 call_sid  2 turn id  3 turn JSON  4 listener channel or ''  5 "1" if tokens are wanted  6 "1" if the call ends
--       7 opening state JSON or ''  8 state's life (ms)  9 limit of active calls or ''  10 job id  11 job function
--       12 grace (ms): when somebody must have taken the call  13 "1" if the state lies elsewhere
--       14 prefix of workers' control channels  15 notice for the holder  16 the call's life, if its state lies elsewhere
--       17 how long an unknown call that the provider has ended cannot begin (ms)
--       18 for how long at least the state of a call lives whose turn waits (ms)
--       19 lease of a pushed grant (ms)  20 least life of the presence of a worker that surely lives (ms)
--       21 most bytes of a state that is pushed  22 number of keys of the outbox
--       23 as what the call is limited, or ''  24 most calls of that limit, or '' for any number  25 "1" with `limited`
--       26 the tenant of a call that begins, or ''
--       27 the call, hashed, as it counts in `begun`, or '' without it  28 most calls of that  29 within (ms)
--       ANNOUNCEMENT… an announcement (outbox_write) for a call that begins, or nothing
-- With `room`, a turn that waits for nobody is granted to a worker that has room, and pushed to it.
-- Without the shard's keys, which lie in another slot in a cluster, the call's job is still to be queued there; and
-- with a limit no call begins, as nobody can say here how many there are: it is submitted again without one.
-- Returns {"recorded", result} | {"waiting", "", look} | {"queued", "created" or "", look[, version, tenant]} | {"unknown"}
--         | {"ended"} | {"refused"}
--         | {"too_often"} | {"crowded"}; look is "1" if somebody is to look at the call, and '' otherwise; version and tenant decide the call's
--         lane, if that lies in another slot
-- include: call_clock
-- include: call_numbers
-- include: call_lane
-- include: call_wake
-- include: call_due
-- include: call_over
-- include: state_index
-- include: state_keep_entry
-- include: call_next
-- include: call_claim
-- include: call_push
-- include if ARGV[22] ~= '0': outbox_write
-- include if ARGV[25] == '1': call_limit
-- include if ARGV[27] ~= '': call_rate
-- include: schedule_drop
local ANNOUNCEMENT = 30
local call_sid, turn_id, life = ARGV[1], ARGV[2], tonumber(ARGV[8])
local state, inbox, turns, lease, listeners = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local begun = ARGV[27] ~= '' and KEYS[#KEYS] or nil
local limited = ARGV[25] == '1' and KEYS[#KEYS - (begun and 1 or 0)] or nil
local outbox_keys = tonumber(ARGV[22])
local others = #KEYS - outbox_keys - (limited and 1 or 0) - (begun and 1 or 0)
local function key(place) return place <= others and KEYS[place] or nil end
local calls, due, queue, job, room = key(6), key(7), key(8), key(10), key(11)
local outbox, agenda = outbox_keys > 0 and KEYS[others + 1] or nil, outbox_keys > 1 and KEYS[others + 2] or nil
local now = now_ms()

-- A call that was deleted or expired may begin again under its SID: nothing of its earlier life counts any more,
-- except the epoch, which keeps a worker that still runs that life from writing into this one.
local function forget_earlier_life()
  redis.call('DEL', inbox, turns)
  redis.call('HDEL', lease, 'holder', 'until', 'ended', 'ending', 'streamed', 'turn', 'attempts', 'version', 'tenant')
end

-- The provider says that the call is over: if it had ended before, or is not there any more, its end can be told.
local function hear_of_end()
  if outbox and ARGV[6] == '1' and close_now(outbox, now) and agenda then mark_agenda(agenda, call_sid, now) end
end

-- Tell that the call begins. Somebody looks at it if its first turn's worker does not.
local look = ''
local function tell_beginning()
  look = '1'
  mark_announced(outbox, agenda, call_sid, announce(outbox, ANNOUNCEMENT, now), now + tonumber(ARGV[12]), now)
end

local created = ''
local known = redis.call('HGET', turns, turn_id)
local held = redis.call('HMGET', lease, 'holder', 'until', 'ended', 'life', 'streamed', 'version', 'tenant',
  'turn', 'attempts', 'ending', 'epoch')
local epoch = held[11] -- which no other life of the call takes away
local elsewhere = ARGV[13] == '1'
local begins, is_first = false, false
local left = elsewhere and 0 or redis.call('PTTL', state)
if elsewhere then
  begins = held[4] and held[4] ~= ARGV[16]
elseif left == -2 then
  begins = ARGV[7] ~= ''
  if not begins and not known then
    if ARGV[6] == '1' then note_over(lease, now, tonumber(ARGV[17])) end
    hear_of_end()
    return {'unknown'}
  end
  if begins and is_over(lease, now) then return {'ended'} end
end
-- Before anything is written, so that a key of the wrong type is found.
local told = outbox and redis.call('HGET', outbox, 'life')
if agenda then redis.call('ZSCORE', agenda, call_sid) end
if begins then
  if not elsewhere then
    if ARGV[9] ~= '' and (not calls or redis.call('ZCOUNT', calls, now / 1000, '+inf') >= tonumber(ARGV[9])) then
      return {'refused'}
    end
    if limited and ARGV[24] ~= '' and not has_line(limited, calls, call_sid, tonumber(ARGV[24]), now) then
      return {'refused'}
    end
    if begun and rate_wait(begun, ARGV[27], tonumber(ARGV[28]), tonumber(ARGV[29]), now) > 0 then
      note_begun(begun, ARGV[27], tonumber(ARGV[29]), now, true)
      return {'too_often'}
    end
    redis.call('SET', state, ARGV[7], 'PX', life)  -- the first write: a full server refuses it, and so the call
    created = 'created'
    index_call(calls, call_sid, true, now, life)
    if limited then take_line(limited, call_sid, now, life) end
    if begun then note_begun(begun, ARGV[27], tonumber(ARGV[29]), now, false) end
    if ARGV[ANNOUNCEMENT] then tell_beginning() end
  end
  if held[1] then drop_earlier_schedule('{' .. state .. '}:schedule') end
  forget_earlier_life()
  known, held = false, {}
end
if known and string.sub(known, 1, 1) == 'R' then return {'recorded', string.sub(known, 2)} end
-- The entry is a waiting turn and its id is in the inbox; or somebody else has changed either, and it is added again.
if known and (string.sub(known, 1, 1) ~= 'P' or not redis.call('LPOS', inbox, turn_id)) then known = false end
if known and ARGV[ANNOUNCEMENT] then look = '1' end -- a repetition: whoever submitted it first may have died before saying so
local noted, is_there = {}, 0 -- what is to be written into the lease's record, and whether there is one
local function note(field, value)
  noted[#noted + 1] = field
  noted[#noted + 1] = value
end

if ARGV[5] == '1' and held[5] ~= '1' then note('streamed', '1') end
if ARGV[23] ~= '' and not known then note('limited_as', ARGV[23]) end
local tenant = held[7] or ''
if ARGV[26] ~= '' and tenant == '' then
  tenant = ARGV[26]
  note('tenant', tenant)
end
if not known then
  if held[3] == '1' then
    hear_of_end()
    return {'ended'}
  end
  -- A write that needs no memory: after it, a full server lets a running call go on.
  is_there = redis.call('PEXPIRE', lease, life + 60000)
  local waiting = redis.call('RPUSH', inbox, turn_id)
  is_first = waiting == 1
  if waiting > 100 then
    redis.call('LTRIM', inbox, 0, 99)
    return {'crowded'}
  end
  redis.call('PEXPIRE', inbox, life + 60000)
  redis.call('HSET', turns, turn_id, 'P' .. ARGV[3])
  redis.call('PEXPIRE', turns, life + 60000)
  if ARGV[6] == '1' then note('ending', '1') end
  if ARGV[ANNOUNCEMENT] and elsewhere and told ~= ARGV[ANNOUNCEMENT] then tell_beginning() end
  if elsewhere and held[4] ~= ARGV[16] then note('life', ARGV[16]) end
  if not elsewhere and created == '' and left < tonumber(ARGV[18]) then
    redis.call('PEXPIRE', state, ARGV[18])
    if calls then keep_entry(calls, call_sid, now, tonumber(ARGV[18])) end
  end
end
if noted[1] then
  redis.call('HSET', lease, unpack(noted))
  if is_there == 0 then redis.call('PEXPIRE', lease, life + 60000) end
end
if ARGV[4] ~= '' then
  redis.call('ZADD', listeners, now + 120000, ARGV[4])
  redis.call('PEXPIRE', listeners, 180000)
end
if held[1] and held[1] ~= '' and number_of(held[2]) > now then
  if not known then redis.call('PUBLISH', ARGV[14] .. held[1], ARGV[15]) end
  return {'waiting', '', look}
end
if not calls then return {'queued', created, look, held[6] or '', tenant} end
local lane = lane_of(queue, due, call_sid, held[6], tenant, now)
-- Only once for each turn, and only what nobody held before: whatever is granted again is claimed from the queue.
if room and is_first and (held[1] or '') == '' then
  local keys = {state = state, inbox = inbox, turns = turns, lease = lease, due = due}
  local to = {
    room = room, channel_prefix = ARGV[14], least_life = tonumber(ARGV[20]), most_bytes = tonumber(ARGV[21]),
  }
  local first = {
    id = turn_id, body = ARGV[3],
    lease = {
      held[1], held[2], held[8], held[9], ARGV[6] == '1' and '1' or held[10], ARGV[5] == '1' and '1' or held[5], epoch,
      held[6],
    },
  }
  local sound, pushed = pcall(push_call, keys, lane, to, call_sid, first, tonumber(ARGV[19]), life + 60000, now)
  if sound and pushed then return {'queued', created, look} end
end
mark_due(due, now + tonumber(ARGV[12]), call_sid, 'NX')
enqueue(lane, job, ARGV[10], ARGV[11], call_sid, now)
return {'queued', created, look}
