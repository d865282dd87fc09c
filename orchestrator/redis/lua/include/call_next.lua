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

-- A waiting turn, as it is stored, if it is of one of these kinds, else nil: also what it brings may name a kind.
local function of_kind(entry, kinds)
  local is_likely = false
  for kind in pairs(kinds) do is_likely = is_likely or string.find(entry, '"kind":"' .. kind .. '"', 1, true) end
  if not is_likely then return nil end
  local readable, turn = pcall(cjson.decode, string.sub(entry, 2))
  return readable and type(turn) == 'table' and kinds[turn.kind] and turn or nil
end

local INTERRUPTED, CUTTING = {interrupted = true}, {speech = true, keys = true, signal = true}

-- True if this waiting turn brings words, or is a signal that is to interrupt.
local function cuts(entry)
  local turn = of_kind(entry, CUTTING)
  return turn and (turn.kind ~= 'signal' or turn.interrupt == true)
end

-- What waits behind the first turn of `ids`, as `next_turn` returns them, and may cut it off: an interruption of it;
-- else, if it `was_begun` by somebody before, the first words or interrupting signal; else an interruption of another
-- turn; or ''.
local function cut_off(turns, ids, was_begun)
  local interruption, words = nil, nil
  for place = 2, #ids do
    local entry = redis.call('HGET', turns, ids[place]) or ''
    local turn = of_kind(entry, INTERRUPTED)
    if turn then
      if type(turn.interrupts) ~= 'string' or turn.interrupts == ids[1] then return string.sub(entry, 2) end
      interruption = interruption or string.sub(entry, 2)
    elseif was_begun and not words and cuts(entry) then
      words = string.sub(entry, 2)
    end
  end
  return words or interruption or ''
end
