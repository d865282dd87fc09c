-- Claim the delivery of a call's events.
-- KEYS: outbox
-- ARGV: 1 holder  2 lease (ms)  3 most entries of a sink  4 most bytes of all, unless one alone is larger  5… sinks
-- Returns {epoch, {position, entry, …}, {{sink, its failures' JSON or '', position, …}, …}} or false
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: outbox_claim
go_on_with_outbox(KEYS[1])
local sinks = {}
for place = 5, #ARGV do sinks[#sinks + 1] = ARGV[place] end
local lease_ms, most, most_bytes = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
return claim_outbox(KEYS[1], ARGV[1], lease_ms, sinks, most, most_bytes, now_ms(), true) or false
