-- Included: grant a call, whose only turn has just come, to the worker with most room, and send the grant along with the
-- wake-up. `to`: room, channel_prefix, least_life (ms) of the presence of a worker that surely lives, most_bytes of a state.
-- A worker that nobody hears from, or that does not listen, is taken off and the next one tried: who listens to patterns
-- is no worker, so the subscribers of its channel are counted before, not after, the message is published.
-- The message is a line of JSON, the turn's JSON of `l` bytes, and the state: see orchestrator/turns/redis/pushed_grant.py.
-- Returns true, or false: the call is to be queued.
local function push_call(keys, queue, to, call_sid, lease_ms, keep_ms, now)
  if redis.call('ZCOUNT', queue, '-inf', now) > 0 then return false end -- those came first
  if redis.call('GETRANGE', keys.state, to.most_bytes, to.most_bytes) ~= '' then return false end
  for _ = 1, 10 do
    local holder, free = unpack(redis.call('ZRANGE', to.room, 0, 0, 'REV', 'WITHSCORES'))
    if not holder or not (tonumber(free) >= 0.5) then return false end
    local channel = to.channel_prefix .. holder
    local presence = channel .. ':presence'
    if redis.call('PTTL', presence) >= to.least_life and redis.call('PUBSUB', 'NUMSUB', channel)[2] > 0 then
      redis.call('HINCRBY', presence, 'pushed', 1) -- first, so that a key of the wrong type grants nothing
      redis.call('HSET', presence, 'last', now)
      local epoch, attempt, ending, streamed, turn, _, state, id =
        unpack(claim_call(keys, call_sid, holder, lease_ms, keep_ms, now, false) or {})
      if not epoch or type(state) ~= 'string' then return false end
      redis.call('PUBLISH', channel, string.format(
        '{"g":%.0f,"n":%.0f,"o":%d,"s":%d,"at":%.0f,"l":%d,"c":%s,"t":%s}\n', epoch, attempt, ending == '1' and 1 or 0,
        streamed == '1' and 1 or 0, now, #turn, cjson.encode(call_sid), cjson.encode(id)) .. turn .. state)
      redis.call('ZADD', to.room, 'XX', 'INCR', -1.000001, holder) -- a little more than one: equals take turns
      return true
    end
    redis.call('ZREM', to.room, holder)
    redis.call('DEL', presence) -- if it lives, it notices, and says again how much room it has
  end
  return false
end
