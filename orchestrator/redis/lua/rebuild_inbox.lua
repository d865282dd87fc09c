-- Rebuild a call's inbox from its waiting turns, in the order in which they were received.
-- KEYS: inbox, turns
-- ARGV: 1 the inbox's life (ms)
-- Returns how many turns wait
if redis.call('EXISTS', KEYS[1]) == 1 or redis.call('TYPE', KEYS[2])['ok'] ~= 'hash' then return 0 end
local entries, waiting = redis.call('HGETALL', KEYS[2]), {}
for i = 1, #entries, 2 do
  if string.sub(entries[i + 1], 1, 1) == 'P' then
    local at = string.match(entries[i + 1], '"received_at":"([^"]*)"') or ''
    waiting[#waiting + 1] = {at, entries[i]}
  end
end
table.sort(waiting, function(a, b) if a[1] ~= b[1] then return a[1] < b[1] end return a[2] < b[2] end)
for _, turn in ipairs(waiting) do redis.call('RPUSH', KEYS[1], turn[2]) end
redis.call('PEXPIRE', KEYS[1], tonumber(ARGV[1]))
return #waiting
