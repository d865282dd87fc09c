-- Which calls of a shard have waited for a worker for long: in whatever lane, and those that nobody has looked after by
-- the time that was due.
-- KEYS: queue, versions, due
-- ARGV: 1 id prefix of turn jobs  2 for how long at least (ms)  3 at most so many of a lane
-- Returns {call SID, milliseconds, …}
-- include: call_clock
-- include: call_lane
local now, prefix, waits = now_ms(), ARGV[1], {}

local function look_into(index, start)
  local sound, entries = pcall(
    redis.call, 'ZRANGEBYSCORE', index, 0, now - ARGV[2], 'WITHSCORES', 'LIMIT', 0, ARGV[3])
  if not sound then return end
  for i = 1, #entries, 2 do
    if string.sub(entries[i], 1, #start) == start then -- the others are arq's own
      local call_sid = string.sub(entries[i], #start + 1)
      waits[call_sid] = math.max(waits[call_sid] or 0, now - tonumber(entries[i + 1]))
    end
  end
end

local function look_into_lanes_of(base)
  look_into(base, prefix)
  for _, tenant in ipairs(redis.call('ZRANGE', base .. ':tenants', 0, 99)) do
    if tenant ~= '' then look_into(lane_in(base, tenant), prefix) end
  end
end

look_into_lanes_of(KEYS[1])
for _, version in ipairs(redis.call('ZRANGE', KEYS[2], 0, 19)) do look_into_lanes_of(base_of(KEYS[1], version)) end
look_into(KEYS[3], '')
local found = {}
for call_sid, wait in pairs(waits) do
  found[#found + 1] = call_sid
  found[#found + 1] = string.format('%.0f', wait)
end
return found
