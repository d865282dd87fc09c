-- Note what somebody saw of an incident. Reports of one subject are one incident if they touch: the first one makes it,
-- and those that are sure say what it was. One that is over stays what it is.
-- KEYS: times (sorted set: id → when), subjects (hash: subject → id and when it was over)
-- ARGV: 1 subject  2 id of a new one  3 kind  4 about (JSON)  5 at (s)  6 until (s) or ''  7 now (s)  8 life (s)
--       9 most incidents  10 how far apart reports may be that touch (s)  11 "1" for a report that is sure
-- Returns the id of the incident. Its other keys are in the same slot, beside `times`.
local times, subjects, now, life = KEYS[1], KEYS[2], tonumber(ARGV[7]), tonumber(ARGV[8])
local beside = string.match(times, '^(.*:)[^:]*$')
local function incident_of(id) return beside .. id .. ':incident' end

local function forget(id)
  local subject = redis.call('HGET', incident_of(id), 'subject')
  local of = subject and redis.call('HGET', subjects, subject)
  if of and string.match(of, '^[^|]*') == id then redis.call('HDEL', subjects, subject) end
  redis.call('DEL', incident_of(id), beside .. id .. ':noticed')
  redis.call('ZREM', times, id)
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', times, '-inf', now - life, 'LIMIT', 0, 20)) do forget(id) end

local id, over = string.match(redis.call('HGET', subjects, ARGV[1]) or '', '^([^|]+)|([%d.]*)$')
local at, lasts_until = tonumber(ARGV[5]), tonumber(ARGV[6])
local stored = id and tonumber(redis.call('ZSCORE', times, id) or '')
-- One that is over goes on only by what overlaps it: who was lost after that, was lost anew.
if stored and over ~= '' and at > tonumber(over) + tonumber(ARGV[10]) then stored = nil end
if not stored then
  id, over = ARGV[2], ''
  local too_many = redis.call('ZCARD', times) + 1 - tonumber(ARGV[9])
  if too_many > 0 then
    for _, oldest in ipairs(redis.call('ZRANGE', times, 0, too_many - 1)) do forget(oldest) end
  end
elseif stored < at and not (lasts_until and over == '') then -- who says when it was over knows when it began, too
  at = stored
end
local incident = incident_of(id)
redis.call('ZADD', times, string.format('%.3f', at), id)
redis.call('HSET', incident, 'at', string.format('%.3f', at))
if not stored or lasts_until or (ARGV[11] == '1' and over == '') then
  redis.call('HSET', incident, 'subject', ARGV[1], 'kind', ARGV[3], 'about', ARGV[4])
end
if lasts_until then
  if over ~= '' then lasts_until = math.max(lasts_until, tonumber(over)) end
  over = string.format('%.3f', lasts_until)
  redis.call('HSET', incident, 'until', over)
end
redis.call('HSET', subjects, ARGV[1], id .. '|' .. over)
for _, key in ipairs({times, subjects, incident}) do redis.call('EXPIRE', key, life) end
return id
