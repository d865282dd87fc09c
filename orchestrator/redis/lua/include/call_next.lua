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

-- Whether a waiting turn, as it is stored, is the interruption of the turn `id`, or of whichever.
local function interrupts(entry, id)
  local readable, turn = pcall(cjson.decode, string.sub(entry, 2))
  return readable and type(turn) == 'table' and (type(turn.interrupts) ~= 'string' or turn.interrupts == id)
end

-- What waits behind the turn `id`, at the head, and may cut it off: an interruption of it; else, if it `was_begun` by
-- somebody before, the first words; else an interruption of another turn; or ''.
local function cut_off(inbox, turns, id, was_begun)
  local interruption, words = nil, nil
  for _, later in ipairs(redis.call('LRANGE', inbox, 1, 5)) do
    local entry = redis.call('HGET', turns, later) or ''
    if string.find(entry, '"kind":"interrupted"', 1, true) then
      if interrupts(entry, id) then return string.sub(entry, 2) end
      interruption = interruption or string.sub(entry, 2)
    elseif was_begun and not words and (string.find(entry, '"kind":"speech"', 1, true)
        or string.find(entry, '"kind":"keys"', 1, true)) then
      words = string.sub(entry, 2)
    end
  end
  return words or interruption or ''
end
