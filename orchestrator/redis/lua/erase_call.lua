-- Erase a call: all of its own keys go. Of its outbox only that stays which tells that it was erased, until that was told.
-- KEYS: outbox, lease, inbox, turns, listeners, other keys of the call…[, calls, due, index of schedules, agenda]
-- ARGV: 1 call_sid  2 how many keys are the call's own  3 `call.erased`, or '': nobody wants it  4 sinks (JSON) that are told if
--       nothing is known here of what was told  5 "1": tell it though nothing of the call is here
--       6 for how long (ms) the epoch of a lease is kept under which a turn runs, or ''
-- Returns {how many keys there were, holder or '', name of the limit or '', version or '', tenant or '', {waiting turn, …},
--          {listening channel, …}, "1" if somebody is to look at the outbox or ''}
-- include: call_clock
-- include: call_numbers
-- include: outbox_write
-- include: outbox_claim
local call_sid, own, body, now = ARGV[1], tonumber(ARGV[2]), ARGV[3], now_ms()
local outbox = KEYS[1]

local function read(fallback, ...)
  local sound, found = pcall(redis.call, ...)
  return sound and found or fallback
end

-- The sinks that were told anything of the call, or were to be.
local function told_sinks(fields)
  local names, known = {}, {}
  local function add(name)
    if not known[name] then
      known[name] = true
      names[#names + 1] = cjson.encode(name)
    end
  end
  for place = 1, #fields, 2 do
    local sink = string.match(fields[place], '^p:(.+)$')
    if sink then add(sink) end
    if string.find(fields[place], '^e:') then
      for _, name in ipairs((sinks_of(fields[place + 1]))) do add(name) end
    end
  end
  table.sort(names)
  return names
end

-- Whether the outbox says nothing but that the call was erased.
local function is_erased() return read(false, 'HGET', outbox, 'erased') and not read(false, 'HGET', outbox, 'life') end

-- A call has begun while it was erased: what tells the erasure stays, as far as it was not told.
local function keep_erased(fields, position, entry, epoch)
  redis.call('HSET', outbox, 'erased', position, 'first', position, 'last', position, 'epoch', epoch, 'bytes', #entry,
    'e:' .. position, entry)
  for place = 1, #fields, 2 do
    if string.find(fields[place], '^p:') then redis.call('HSET', outbox, fields[place], fields[place + 1]) end
  end
  redis.call('PEXPIRE', outbox, OUTBOX_MS)
  return true
end

-- Replace what is in the outbox. A delivery that runs has lost its lease by it. Returns whether there is something to deliver.
local function replace_outbox(is_known)
  local fields = read({}, 'HGETALL', outbox)
  local last, epoch, seq, erased = unpack(read({}, 'HMGET', outbox, 'last', 'epoch', 'seq', 'erased'))
  local next_epoch, kept = string.format('%.0f', number_of(epoch) + 1), erased and read(false, 'HGET', outbox, 'e:' .. erased)
  redis.call('DEL', outbox)
  if kept and body == '' then return keep_erased(fields, erased, kept, next_epoch) end
  local sinks = '[' .. table.concat(told_sinks(fields), ',') .. ']'
  if #fields == 0 then sinks = ARGV[4] end
  if body == '' or sinks == '[]' or not (is_known or ARGV[5] == '1') then return false end
  local position = string.format('%.0f', number_of(last) + 1)
  redis.call('HSET', outbox, 'erased', position, 'first', position, 'last', number_of(last), 'epoch', next_epoch)
  append(outbox, number_of(seq) + 1, sinks, body, now)
  redis.call('PEXPIRE', outbox, OUTBOX_MS)
  return true
end

local there = redis.call('EXISTS', unpack(KEYS, 1, own))
local held = read({}, 'HMGET', KEYS[2], 'holder', 'limited_as', 'version', 'tenant', 'epoch')
local waiting = read({}, 'LRANGE', KEYS[3], 0, -1)
local channels = read({}, 'ZRANGEBYSCORE', KEYS[5], now, '+inf')
redis.call('DEL', unpack(KEYS, 2, own))
if ARGV[6] ~= '' and held[5] and (held[1] or '') ~= '' then
  redis.call('HSET', KEYS[2], 'epoch', held[5])
  redis.call('PEXPIRE', KEYS[2], ARGV[6])
end
local tells = is_erased() or replace_outbox(there > 0)
for place = own + 1, #KEYS do redis.call('ZREM', KEYS[place], call_sid) end
if tells and KEYS[own + 4] then mark_agenda(KEYS[own + 4], call_sid, now) end
return {there, held[1] or '', held[2] or '', held[3] or '', held[4] or '', waiting, channels, tells and '1' or ''}
