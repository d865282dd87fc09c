-- Add what a process has counted to a minute of the history, once however often the batch is sent.
-- KEYS: minute (string: JSON, name → amount), number of the process's last batch, how often a closed minute was changed
-- ARGV: 1 number of this batch  2 from when on a change is late (ms)  3 life of the minute (ms)
--       4 life of the batch's number (ms)  5 most names in a minute  6 most bytes of one
--       7… the name of an amount and what to add to it, and so on
-- Returns 1, or 0 if the batch was added before
-- include: call_clock
local minute, batch, changes = KEYS[1], KEYS[2], KEYS[3]
local last = redis.call('GET', batch)
if last and (tonumber(last) or 0) >= tonumber(ARGV[1]) then return 0 end
local stored = redis.call('GET', minute) or ''
local readable, found = false, nil
if #stored <= tonumber(ARGV[6]) then readable, found = pcall(cjson.decode, stored) end
local amounts, room = {}, tonumber(ARGV[5])
if readable and type(found) == 'table' then -- somebody may have written something else
  for name, amount in pairs(found) do
    if room > 0 and type(name) == 'string' and type(amount) == 'number' and amount - amount == 0 then
      amounts[name], room = amount, room - 1
    end
  end
end
for i = 7, #ARGV, 2 do
  local name, amount = ARGV[i], tonumber(ARGV[i + 1])
  local there, rule = amounts[name], string.sub(name, 1, 4)
  if not there then
    if room > 0 then amounts[name], room = amount, room - 1 end
  elseif rule == 'max.' then
    amounts[name] = math.max(there, amount)
  elseif rule == 'min.' then
    amounts[name] = math.min(there, amount)
  else
    amounts[name] = there + amount
  end
end
redis.call('SET', minute, cjson.encode(amounts), 'PX', ARGV[3])
redis.call('SET', batch, ARGV[1], 'PX', ARGV[4])
if now_ms() >= tonumber(ARGV[2]) then
  redis.call('INCRBY', changes, 1)
  redis.call('PEXPIRE', changes, ARGV[3])
end
return 1
