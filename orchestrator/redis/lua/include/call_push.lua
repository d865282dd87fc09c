-- Included: grant a call, whose only turn has just come, to the worker with most room, and send the grant along with the
-- wake-up; with a version in `lane`, to one of that. `to`: room, channel_prefix, least_life (ms) of the presence of a worker
-- that surely lives, most_bytes of a state.
-- A worker that nobody hears from, or that does not listen, is taken off and the next one tried: who listens to patterns
-- is no worker, so the subscribers of its channel are counted before, not after, the message is published.
-- The message is a line of JSON, the turn's JSON of `l` bytes, and the state: see orchestrator/turns/redis/pushed_grant.py.
-- What is rarely to be said of a grant: whose call it is, and to which version it was pinned before.
local function about(lane, moved_from)
  return (lane.tenant ~= '' and ',"w":' .. cjson.encode(lane.tenant) or '')
    .. (moved_from ~= '' and ',"v":' .. cjson.encode(moved_from) or '')
end

-- `known` is {id, body, lease}, as for claim_call. Returns true, or false: the call is to be queued.
local function push_call(keys, lane, to, call_sid, known, lease_ms, keep_ms, now)
  if redis.call('ZCOUNT', lane.queue, '-inf', now) > 0 then return false end -- those came first
  if lane.anyones ~= lane.queue and redis.call('ZCOUNT', lane.anyones, '-inf', now) > 0 then return false end
  local state = redis.call('GETRANGE', keys.state, 0, to.most_bytes) -- one byte more than may be pushed
  if state == '' or #state > to.most_bytes then return false end
  known.state = state
  local place = 0
  for _ = 1, 10 do
    local holder, free = unpack(redis.call('ZRANGE', to.room, place, place, 'REV', 'WITHSCORES'))
    if not holder or not (tonumber(free) >= 0.5) then return false end
    local channel = to.channel_prefix .. holder
    local presence = channel .. ':presence'
    local of = redis.call('HMGET', presence, 'version', 'pin', 'pushed')
    if lane.version ~= '' and of[1] ~= lane.version then
      place = place + 1
    elseif redis.call('PTTL', presence) >= to.least_life and redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0 then
      local pushed = tonumber(string.match(of[3] or '', '^%d+$') or 0) -- no HINCRBY: others can write to the hash
      redis.call('HSET', presence, 'pushed', string.format('%.0f', pushed + 1), 'last', now)
      local epoch, attempt, ending, streamed, body, _, _, id, moved_from =
        unpack(claim_call(keys, call_sid, holder, of[2] or '', lease_ms, keep_ms, now, false, known) or {})
      if not epoch then return false end
      redis.call('PUBLISH', channel, string.format(
        '{"g":%.0f,"n":%.0f,"o":%d,"s":%d,"at":%.0f,"l":%d,"c":%s,"t":%s%s}\n', epoch, attempt, ending == '1' and 1 or 0,
        streamed == '1' and 1 or 0, now, #body, cjson.encode(call_sid), cjson.encode(id), about(lane, moved_from))
        .. body .. state)
      redis.call('ZADD', to.room, 'XX', 'INCR', -1.000001, holder) -- a little more than one: equals take turns
      return true
    else
      redis.call('ZREM', to.room, holder)
      redis.call('DEL', presence) -- if it lives, it notices, and says again how much room it has
    end
  end
  return false
end
