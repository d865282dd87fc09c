-- Claim due jobs of an arq queue, many at once. A job that stands for a call's turns takes that call's
-- lease in the same step and leaves the queue for good; recovery relies on its inbox and its `due` entry.
-- Any other job is claimed as arq does: by its in-progress key.
-- KEYS: queue, wake[, due[, room, presence]]
-- ARGV: 1 most jobs  2 in-progress prefix  3 in-progress (ms)  4 id prefix of turn jobs  5 job key prefix
--       6 holder  7 lease (ms)  8 life of the lease's record (ms)  9 state key prefix  10 how many ids to look at
--       11 "1" for calls on approval  12 how many pushed grants the worker has received
--       13 life of its presence (ms)  14 its version, or ''  15 the version that its calls are pinned to, or ''
--       16 how many turns of one tenant it may run, or '' for any number  17… tenant, how many of its turns run; again and again
-- Lanes (call_lane): the worker takes from those of its version and from those that are anyone's, in turns.
-- Without `due`, which is so in a cluster, the calls lie in other slots: their jobs leave the queue unclaimed.
-- With `room`, grants may be pushed to the worker: what is left of `most jobs` is the room that it has.
-- Returns {{{"job", id, score} | {"turns", call_sid, {claim as in call_claim}, tenant} | {"call", call_sid, '', tenant}
--           | {"bad", call_sid}: its keys hold what we never wrote there, …},
--          1 if a tenant has more waiting than the worker may run, or 0,
--          how many grants were pushed to the worker, how long ago the last one was (ms)}; the last two as in report_room
-- include: call_clock
-- include: call_numbers
-- include: call_next
-- include: call_due
-- include: call_claim
-- include: call_lane
-- include: call_wake
-- include: worker_room
local now, most, prefix, cap = now_ms(), tonumber(ARGV[1]), ARGV[4], tonumber(ARGV[16])
local running, look_at = {}, tonumber(ARGV[10])
for place = 17, #ARGV, 2 do running[ARGV[place]] = tonumber(ARGV[place + 1]) end
local lanes, claimed, is_capped = {}, {}, false

local function is_full(tenant) return cap and (running[tenant] or 0) >= cap end

-- Note the lane if a job in it is due, and take a tenant's off the index if it has none. Returns whether it was noted, and
-- how many were taken off.
local function look_into(lane, most_ids)
  if lane.tenant ~= '' and is_full(lane.tenant) then
    if redis.call('ZCARD', lane.queue) > 0 then is_capped = true end
    return false, 0
  end
  lane.ids = redis.call('ZRANGEBYSCORE', lane.queue, '-inf', now, 'WITHSCORES', 'LIMIT', 0, most_ids)
  lane.next, lane.most_ids = 1, most_ids
  if lane.ids[1] then
    lanes[#lanes + 1] = lane
    return true, 0
  end
  if lane.tenant == '' or redis.call('ZCARD', lane.queue) > 0 then return false, 0 end
  return false, redis.call('ZREM', lane.base .. ':tenants', lane.tenant)
end

-- Look into the lanes of the tenants, the least recently served first, until as many have a job as can be taken.
-- Returns false if there may be more.
local function look_for_lanes(base)
  local nobodys, found, place = {queue = base, base = base, tenant = '', at = 0}, 0, 0
  repeat
    local tenants = redis.call('ZRANGE', base .. ':tenants', place, place + most + 9, 'WITHSCORES')
    for i = 1, #tenants, 2 do
      local lane = {tenant = tenants[i], at = tonumber(tenants[i + 1]), base = base, queue = lane_in(base, tenants[i])}
      place = place + 1
      if lane.tenant == '' then
        nobodys.at = lane.at
      elseif found < most then
        local is_noted, taken_off = look_into(lane, most)
        place = place - taken_off
        if is_noted then found = found + 1 end
      end
    end
  until found >= most or #tenants < 2 * (most + 10)
  look_into(nobodys, look_at)
  return found < most
end

local all = look_for_lanes(KEYS[1])
if ARGV[14] ~= '' then all = look_for_lanes(base_of(KEYS[1], ARGV[14])) and all end
if lanes[2] then
  local function waits_since(lane) return tonumber(lane.ids[2]) end
  table.sort(lanes, function(a, b) return a.at < b.at or a.at == b.at and waits_since(a) < waits_since(b) end)
end

-- A call that is pinned to another version, of which a worker lives, is put into that version's lane: an ingress of an
-- older program queues it for anyone, and a job may be left in the lane of a version that was away.
local function is_of_another(lane, id, lease)
  local sound, version = pcall(redis.call, 'HGET', lease, 'version')
  if not sound or not version or version == ARGV[14] or not is_served(KEYS[1], version, now) then return false end
  put_into(lane_of(KEYS[1], KEYS[3], '', version, lane.tenant, now), id, now)
  return true
end

local function claim_turns(lane, id)
  local call_sid = string.sub(id, #prefix + 1)
  local state = ARGV[9] .. call_sid
  local tag = '{' .. state .. '}:'
  redis.call('ZREM', lane.queue, id)
  if KEYS[3] and is_of_another(lane, id, tag .. 'lease') then return false end
  redis.call('DEL', ARGV[5] .. id)
  if not KEYS[3] then
    claimed[#claimed + 1] = {'call', call_sid, '', lane.tenant}
    return true
  end
  local keys = {state = state, inbox = tag .. 'inbox', turns = tag .. 'turns', lease = tag .. 'lease', due = KEYS[3]}
  local sound, claim = pcall(claim_call, keys, call_sid, ARGV[6], ARGV[15], tonumber(ARGV[7]), tonumber(ARGV[8]), now,
    ARGV[11] == '1')
  if not sound then claimed[#claimed + 1] = {'bad', call_sid}
  elseif claim then claimed[#claimed + 1] = {'turns', call_sid, claim, lane.tenant} end
  return sound and claim
end

-- Take the lane's next job. Returns false if there is none that the worker may run.
local function take_from(lane)
  local id, score = lane.ids[lane.next], lane.ids[lane.next + 1]
  if not id then return false end
  local is_call = prefix ~= '' and string.sub(id, 1, #prefix) == prefix
  if is_call and is_full(lane.tenant) then
    is_capped = true
    return false
  end
  lane.next = lane.next + 2
  if not is_call then
    if redis.call('SET', ARGV[2] .. id, '1', 'PX', ARGV[3], 'NX') then
      claimed[#claimed + 1] = {'job', id, score}
      lane.was_served = true
    end
  elseif claim_turns(lane, id) then
    running[lane.tenant] = (running[lane.tenant] or 0) + 1
    lane.was_served = true
  end
  return true
end

repeat
  local took = false
  for _, lane in ipairs(lanes) do
    if #claimed >= most then break end
    took = take_from(lane) or took
  end
until not took or #claimed >= most
if is_capped then all = false end
local served_at = nil -- in microseconds: two claims in one millisecond are to serve different lanes
local function at_present()
  if not served_at then
    local time = redis.call('TIME')
    served_at = string.format('%.0f', time[1] * 1000000 + time[2])
  end
  return served_at
end

for _, lane in ipairs(lanes) do
  if lane.ids[lane.next] or #lane.ids >= 2 * lane.most_ids then all = false end
  if lane.was_served and (lane.tenant ~= '' or lanes[2]) then
    redis.call('ZADD', lane.base .. ':tenants', at_present(), lane.tenant)
    redis.call('PEXPIRE', lane.base .. ':tenants', LANE_MS)
  end
end
if all then -- nothing is left that anybody need wake up for
  if ARGV[14] ~= '' then redis.call('DEL', KEYS[2], base_of(KEYS[1], ARGV[14]) .. ':wake') else redis.call('DEL', KEYS[2]) end
end
if not KEYS[4] then return {claimed, is_capped and 1 or 0} end
-- A full server refuses this, and no claim.
local sound, pushed, quiet =
  pcall(report_room, KEYS[4], KEYS[5], ARGV[6], most - #claimed, tonumber(ARGV[12]), now,
    tonumber(ARGV[13]), ARGV[14], ARGV[15])
return sound and {claimed, is_capped and 1 or 0, pushed, quiet} or {claimed, is_capped and 1 or 0}
