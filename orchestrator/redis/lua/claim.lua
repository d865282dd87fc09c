-- Take the lease of one call, if it is free and a turn waits.
-- KEYS: state, inbox, turns, lease[, due]
-- ARGV: 1 call_sid  2 holder  3 lease (ms)  4 life of the lease's record (ms)  5 "1" for on approval
--       6 the version of the holder, which the call is pinned to, or ''
-- Returns what call_claim returns, or nil
-- include: call_clock
-- include: call_numbers
-- include: call_next
-- include: call_due
-- include: call_claim
-- After a write that needs no memory, a full server lets a running call go on.
redis.call('PEXPIRE', KEYS[4], ARGV[4])
local keys = {state = KEYS[1], inbox = KEYS[2], turns = KEYS[3], lease = KEYS[4], due = KEYS[5]}
return claim_call(keys, ARGV[1], ARGV[2], ARGV[6], tonumber(ARGV[3]), tonumber(ARGV[4]), now_ms(), ARGV[5] == '1')
