-- Cluster: see to it that somebody looks at a call, if that is not settled already.
-- KEYS: due
-- ARGV: 1 call_sid
-- Returns 1
-- include: call_clock
-- include: call_due
mark_due(KEYS[1], now_ms(), ARGV[1], 'NX')
return 1
