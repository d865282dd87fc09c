-- Cluster: let a call stand in the index of active calls for longer, after `keep_state`, which got no index key.
-- KEYS: calls
-- ARGV: 1 call_sid  2 for how long from now (ms)
-- Returns 1
-- include: call_clock
-- include: state_keep_entry
keep_entry(KEYS[1], ARGV[1], now_ms(), tonumber(ARGV[2]))
return 1
