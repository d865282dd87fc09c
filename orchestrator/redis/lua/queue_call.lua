-- Cluster: what a submit changes at the call's shard, once the turn is in the call's inbox.
-- KEYS: calls, due, queue, wake, job[, agenda]
-- ARGV: 1 call_sid  2 state's life (ms)  3 grace (ms): when somebody must have taken the call  4 job id  5 job function
--       6 the version that the call is pinned to, or ''  7 its tenant, or ''
-- With the agenda, somebody is to look at the call's outbox.
-- Returns 1
-- include: call_clock
-- include: call_lane
-- include: call_wake
-- include: call_due
-- include: state_index
-- include: call_numbers
-- include: outbox_write
local now, life = now_ms(), tonumber(ARGV[2])
index_call(KEYS[1], ARGV[1], true, now, life)
-- Always another time than before: a rescuer that found the inbox empty just before this turn came sees that the entry
-- which it was going to remove has changed.
local at, before = now + tonumber(ARGV[3]), tonumber(redis.call('ZSCORE', KEYS[2], ARGV[1]) or '0')
mark_due(KEYS[2], at == before and at + 1 or at, ARGV[1])
enqueue(lane_of(KEYS[3], KEYS[2], ARGV[1], ARGV[6], ARGV[7], now), KEYS[5], ARGV[4], ARGV[5], ARGV[1], now)
if KEYS[6] then mark_agenda(KEYS[6], ARGV[1], now + tonumber(ARGV[3])) end
return 1
