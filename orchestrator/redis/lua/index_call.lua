-- Cluster: bring the index of active calls up to date for one call, after a script that got no index key.
-- KEYS: calls
-- ARGV: 1 call_sid  2 state's life (ms)  3 "1" if the call is active  4 "1" to renew only an entry that is there
-- Returns 1
-- include: call_clock
-- include: state_index
-- A call that has ended meanwhile was taken off the index: an earlier write must not put it back.
if ARGV[4] == '1' and ARGV[3] == '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1]) then return 1 end
index_call(KEYS[1], ARGV[1], ARGV[3] == '1', now_ms(), tonumber(ARGV[2]))
return 1
