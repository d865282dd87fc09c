-- Count what is in a call's outbox, and have the call looked at in time.
-- KEYS: outbox, state[, agenda]
-- ARGV: 1 call_sid  2 "1" if the state lies elsewhere  3… sinks that the caller delivers to
-- Returns {events, bytes, "1" if the call is open or '', when it is to be looked at next (ms) or '',
--   {{sink, pending, dead, since when the first pending one waits (ms), next attempt (ms), first death (ms)}, …}}, where times
--   are '' if there is none. Without the agenda, which lies in another slot in a cluster, the caller corrects it there.
-- include: call_clock
-- include: call_numbers
-- include: full_server
-- include: outbox_write
-- include: outbox_claim
-- include: outbox_look
local outbox, known, now = KEYS[1], {}, now_ms()
go_on_with_outbox(outbox)
for place = 3, #ARGV do known[ARGV[place]] = true end
local fields = redis.call('HMGET', outbox, 'first', 'last', 'bytes', 'open', 'holder', 'until')
local is_held = fields[5] and fields[5] ~= '' and number_of(fields[6]) > now
local first, last = span_of(fields[1], fields[2])
local events, tallies, order = 0, {}, {}
local function tally_of(sink)
  if not tallies[sink] then
    tallies[sink] = {pending = 0, dead = 0}
    order[#order + 1] = sink
  end
  return tallies[sink]
end
for position = first, last do
  local entry = entry_at(outbox, position)
  if entry then
    events = events + 1
    local sinks, written = sinks_of(entry)
    for _, sink in ipairs(sinks) do
      local dead = died_at(outbox, position, sink, now)
      if dead then
        local tally = tally_of(sink)
        tally.dead = tally.dead + 1
        tally.died = math.min(tally.died or dead, dead)
      elseif number_of(redis.call('HGET', outbox, 'p:' .. sink)) < position then
        local tally = tally_of(sink)
        if tally.pending == 0 then
          tally.oldest = written
          local next_at = tried_again_at(outbox, sink)
          if not is_held then tally.due = math.max(next_at, written) end
        end
        tally.pending = tally.pending + 1
      end
    end
  end
end
local at = next_look(outbox, KEYS[2], ARGV[2] == '1', known, now)
if at and KEYS[3] then mark_agenda(KEYS[3], ARGV[1], at) end
local function time(value) return value and string.format('%.0f', value) or '' end
local counted = {}
for _, sink in ipairs(order) do
  local tally = tallies[sink]
  counted[#counted + 1] = {sink, tally.pending, tally.dead, time(tally.oldest), time(tally.due), time(tally.died)}
end
return {events, number_of(fields[3]), fields[4] and '1' or '', time(at), counted}
