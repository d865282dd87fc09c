-- Begin a session of a relay call with the ticket of a document.
-- KEYS: documents (hash: used, over, holder)
-- ARGV: 1 the document's number  2 the new holder of the session  3 when the document was made (ms), or "" if the session has
--       begun already, while Redis was away  4 how old it may be (ms)  5 the holder that is gone, or ""  6 life (ms)
-- Returns "entered", "again" (the same document's session is held), "old" (there is a newer one, or it is over) or
-- "stale", the holder of the session, and the one of the call's session before, or "".
-- include: call_clock
local key = KEYS[1]
local number = tonumber(ARGV[1])
local over = tonumber(redis.call('HGET', key, 'over') or '0')
local used = tonumber(redis.call('HGET', key, 'used') or '0')
local holder = redis.call('HGET', key, 'holder') or ''
if number <= over or number < used then return { 'old', '' } end
if number == used then
  if holder ~= ARGV[5] then return { 'again', holder } end
elseif ARGV[3] ~= '' and math.abs(now_ms() - tonumber(ARGV[3])) > tonumber(ARGV[4]) then
  return { 'stale', '' }
end
redis.call('HSET', key, 'used', number, 'holder', ARGV[2])
redis.call('PEXPIRE', key, ARGV[6])
return { 'entered', ARGV[2], holder }
