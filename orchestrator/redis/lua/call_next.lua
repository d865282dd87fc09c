-- Included: the turn at the head of the inbox. Ids whose turn is settled or forgotten are skipped.
-- Returns id, body; or nil when nothing waits.
local function next_turn(inbox, turns)
  while true do
    local id = redis.call('LINDEX', inbox, 0)
    if not id then return nil end
    local entry = redis.call('HGET', turns, id)
    if entry and string.sub(entry, 1, 1) == 'P' then return id, string.sub(entry, 2) end
    redis.call('LPOP', inbox)
  end
end

-- The interruption that waits behind that turn, or ''.
local function cut_off(inbox, turns)
  for _, id in ipairs(redis.call('LRANGE', inbox, 1, 5)) do
    local entry = redis.call('HGET', turns, id)
    if entry and string.find(entry, '"kind":"interrupted"', 1, true) then return string.sub(entry, 2) end
  end
  return ''
end
