-- Claim due jobs of an arq queue, many at once. A job that stands for a call's turns takes that call's
-- lease in the same step and leaves the queue for good; recovery relies on its inbox and its `due` entry.
-- Any other job is claimed as arq does: by its in-progress key.
-- KEYS: queue, wake[, due[, room, presence]]
-- ARGV: 1 most jobs  2 in-progress prefix  3 in-progress (ms)  4 id prefix of turn jobs  5 job key prefix
--       6 holder  7 lease (ms)  8 life of the lease's record (ms)  9 state key prefix  10 how many ids to look at
--       11 "1" for calls on approval  12 how many pushed grants the worker has received
--       13 life of its presence (ms)
-- Without `due`, which is so in a cluster, the calls lie in other slots: their jobs leave the queue unclaimed.
-- With `room`, grants may be pushed to the worker: what is left of `most jobs` is the room that it has.
-- Returns {{{"job", id, score} | {"turns", call_sid, {claim as in claim.lua}} | {"call", call_sid}
--           | {"bad", call_sid}: its keys hold what we never wrote there, …},
--          how many grants were pushed to the worker, how long ago the last one was (ms)}; the last two as in report_room
-- include: call_clock
-- include: call_numbers
-- include: call_next
-- include: call_due
-- include: call_claim
-- include: worker_room
local now, most, prefix = now_ms(), tonumber(ARGV[1]), ARGV[4]
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'WITHSCORES', 'LIMIT', 0, tonumber(ARGV[10]))
local claimed = {}
local all = #ids < 2 * tonumber(ARGV[10])
for i = 1, #ids, 2 do
  if #claimed >= most then
    all = false
    break
  end
  local id = ids[i]
  if prefix ~= '' and string.sub(id, 1, #prefix) == prefix then
    local call_sid = string.sub(id, #prefix + 1)
    local state = ARGV[9] .. call_sid
    local tag = '{' .. state .. '}:'
    redis.call('ZREM', KEYS[1], id)
    redis.call('DEL', ARGV[5] .. id)
    if not KEYS[3] then
      claimed[#claimed + 1] = {'call', call_sid}
    else
      local keys = {state = state, inbox = tag .. 'inbox', turns = tag .. 'turns', lease = tag .. 'lease', due = KEYS[3]}
      local sound, claim = pcall(claim_call, keys, call_sid, ARGV[6], tonumber(ARGV[7]), tonumber(ARGV[8]), now, ARGV[11] == '1')
      if not sound then claimed[#claimed + 1] = {'bad', call_sid}
      elseif claim then claimed[#claimed + 1] = {'turns', call_sid, claim} end
    end
  elseif redis.call('SET', ARGV[2] .. id, '1', 'PX', ARGV[3], 'NX') then
    claimed[#claimed + 1] = {'job', id, ids[i + 1]}
  end
end
if all then redis.call('DEL', KEYS[2]) end -- nothing is left that anybody need wake up for
if not KEYS[4] then return {claimed} end
-- A full server refuses this, and no claim.
local sound, pushed, quiet =
  pcall(report_room, KEYS[4], KEYS[5], ARGV[6], most - #claimed, tonumber(ARGV[12]), now,
    tonumber(ARGV[13]))
return sound and {claimed, pushed, quiet} or {claimed}
