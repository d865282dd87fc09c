-- Add how the last turns of a version ended, and end the ramp if the ramping version fails too often. Safe to repeat.
-- KEYS: rollout, outcomes (hash: the ramp; of:{version} → 0 and 1 for its last turns; batch:{worker} → its last number)
-- ARGV: 1 version  2 worker  3 number of its batch  4 the turns: 0 for one that was answered, 1 for one that failed
--       5 when the ramp began that they belong to  6 how many turns count  7 how many of the ramping version's are needed
--       8 by how much more it may fail (%)  9 life of the outcomes (ms)  10 most workers
-- Returns {the plan's revision, 1 if this batch ended the ramp, else 0}
-- include: call_clock
local found = redis.call('HMGET', KEYS[1], 'revision', 'current', 'ramping', 'ramp_began', 'change')
local revision, current, ramping = tonumber(found[1] or '') or 0, found[2] or '', found[3] or ''
local change = ARGV[2] .. ':' .. ARGV[3]
if found[5] == change then return {revision, 1} end -- the answer was lost
if ramping == '' or found[4] ~= ARGV[5] then return {revision, 0} end
if redis.call('HGET', KEYS[2], 'ramp') ~= ARGV[5] or redis.call('HLEN', KEYS[2]) > tonumber(ARGV[10]) then
  redis.call('DEL', KEYS[2])
  redis.call('HSET', KEYS[2], 'ramp', ARGV[5])
end
if (tonumber(redis.call('HGET', KEYS[2], 'batch:' .. ARGV[2]) or '') or 0) < tonumber(ARGV[3]) then
  local turns = (redis.call('HGET', KEYS[2], 'of:' .. ARGV[1]) or '') .. ARGV[4]
  redis.call('HSET', KEYS[2], 'of:' .. ARGV[1], string.sub(turns, -tonumber(ARGV[6])), 'batch:' .. ARGV[2], ARGV[3])
  redis.call('PEXPIRE', KEYS[2], ARGV[9])
end
local function tally(version)
  local turns = redis.call('HGET', KEYS[2], 'of:' .. version) or ''
  local _, failed = string.gsub(turns, '1', '')
  return #turns, failed
end
local seen, failed = tally(ramping)
local others, others_failed = tally(current)
local compared = math.max(others, 1) -- in whole numbers: 0.3 is less than 0.2 + 0.1
if seen < tonumber(ARGV[7]) or failed * 100 * compared < (others_failed * 100 + ARGV[8] * compared) * seen then
  return {revision, 0}
end
redis.call('HSET', KEYS[1], 'revision', revision + 1, 'ramping', '', 'percent', '0', 'change', change,
  'changed_at', string.format('%.3f', now_ms() / 1000), 'rolled_back', ramping,
  'rolled_back_turns', seen .. ' ' .. failed, 'current_turns', others .. ' ' .. others_failed)
return {revision + 1, 1}
