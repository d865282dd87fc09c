-- Included: what an earlier life of a call had scheduled is not carried out any more, except for its messages.
local function drop_earlier_schedule(schedule)
  local sound, fields = pcall(redis.call, 'HGETALL', schedule)
  if not sound then fields = {} end
  for place = 1, #fields, 2 do
    local id = string.match(fields[place], '^i:(.+)$')
    if id and not string.find(fields[place + 1], '^%d+ message\n') then
      redis.call('HDEL', schedule, 'i:' .. id, 'l:' .. id)
    end
  end
end
