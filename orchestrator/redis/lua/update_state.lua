-- Write a state if the stored version is the expected one.
-- KEYS: state[, calls]
-- ARGV: 1 call_sid  2 state JSON  3 state's life (ms)  4 "1" if the call is active  5 expected version
-- Returns the expected version if the state was written, else the version that is stored, or -1: there is none.
-- include: call_clock
-- include: state_index
local state, expected, life = KEYS[1], tonumber(ARGV[5]), tonumber(ARGV[3])

-- `version` is the first field we write: its digits are read without parsing the conversation behind them.
local function stored_version()
  local front = redis.call('GETRANGE', state, 0, 40)
  if front == '' then return -1 end
  local digits = string.match(front, '^{"version":(%d+)[,}]')
  if digits then return tonumber(digits) end
  local readable, decoded = pcall(cjson.decode, redis.call('GET', state))
  return readable and type(decoded) == 'table' and tonumber(decoded.version or 0) or 0
end

local version = stored_version()
if version == expected + 1 and redis.call('GET', state) == ARGV[2] then
  return expected -- a retry of the write that came through: its answer was lost
end
if version ~= expected then return version end
redis.call('SET', state, ARGV[2], 'PX', life)
index_call(KEYS[2], ARGV[1], ARGV[4] == '1', now_ms(), life)
return expected
