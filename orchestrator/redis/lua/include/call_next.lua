-- Included: the turn at the head of the inbox. Ids whose turn is settled or forgotten are skipped.
-- Returns id, body and the inbox's first ids, that one first; or nil when nothing waits.
local function next_turn(inbox, turns)
  while true do
    local ids = redis.call('LRANGE', inbox, 0, 5)
    if not ids[1] then return nil end
    local entry = redis.call('HGET', turns, ids[1])
    if entry and string.sub(entry, 1, 1) == 'P' then return ids[1], string.sub(entry, 2), ids end
    redis.call('LPOP', inbox)
  end
end

-- Whether a waiting turn, as it is stored, is the interruption of the turn `id`, or of whichever.
local function interrupts(entry, id)
  local readable, turn = pcall(cjson.decode, string.sub(entry, 2))
  return readable and type(turn) == 'table' and (type(turn.interrupts) ~= 'string' or turn.interrupts == id)
end

-- What waits behind the first turn of `ids`, as `next_turn` returns them, and may cut it off: an interruption of it;
-- else, if it `was_begun` by somebody before, the first words; else an interruption of another turn; or ''.
local function cut_off(turns, ids, was_begun)
  local interruption, words = nil, nil
  for place = 2, #ids do
    local entry = redis.call('HGET', turns, ids[place]) or ''
    if string.find(entry, '"kind":"interrupted"', 1, true) then
      if interrupts(entry, ids[1]) then return string.sub(entry, 2) end
      interruption = interruption or string.sub(entry, 2)
    elseif was_begun and not words and (string.find(entry, '"kind":"speech"', 1, true)
        or string.find(entry, '"kind":"keys"', 1, true)) then
      words = string.sub(entry, 2)
    end
  end
  return words or interruption or ''
end
