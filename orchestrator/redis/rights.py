"""The minimal rights of the Redis user that web, workers and `voiceagent doctor` connect as."""

from orchestrator.redis import keys

COMMANDS = (
    # every connection
    "ping", "select", "info", "dbsize", "time",
    # keys of any type
    "del", "exists", "expire", "pexpire", "pttl", "rename", "ttl", "type",
    # strings
    "get", "getrange", "incrby", "psetex", "set", "setex",
    # hashes
    "hdel", "hget", "hgetall", "hincrby", "hlen", "hmget", "hscan", "hset", "hsetnx",
    # lists
    "blpop", "lindex", "llen", "lpop", "lpos", "lpush", "lrange", "lrem", "ltrim", "rpush",
    # sorted sets
    "zadd", "zcard", "zcount", "zincrby", "zrange", "zrangebyscore", "zrem", "zremrangebyscore", "zscan", "zscore",
    # scripts, transactions (arq's), replies and notices
    "eval", "evalsha", "script|exists", "script|load", "discard", "exec", "multi", "unwatch", "watch",
    "publish", "pubsub|numsub", "subscribe", "unsubscribe",
    # REDIS_WAIT_REPLICAS, a cluster's redirections, the doctor's look at keys without a time to live
    "wait", "asking", "cluster|slots", "scan",
)  # fmt: skip
"""Commands by name, `command|subcommand` where one is enough: none that empties, configures or stops a server."""


def acl_rules() -> list[str]:
    """Return the rules for `ACL SETUSER`.

    `resetchannels` comes first: in Redis 6.2 a new user may subscribe to everything, and channel patterns are refused
    until then.
    """
    return [
        "resetchannels",
        *(f"&{pattern}" for pattern in keys.CHANNELS),
        *(f"~{pattern}" for pattern in keys.USED),
        *(f"+{command}" for command in COMMANDS),
    ]
