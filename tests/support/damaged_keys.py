"""Every kind of value that a key of ours may be found to hold though we never wrote it."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from orchestrator.redis import keys

NOT_TEXT = b"\xff\xfe\x00{"
"""No UTF-8, no JSON, no number."""
LIFE_SECONDS = 600

Write = Callable[[Any, str], None]


def _string(redis: Any, key: str) -> None:
    redis.set(key, NOT_TEXT)


def _list(redis: Any, key: str) -> None:
    redis.rpush(key, NOT_TEXT, "turns:")


def _hash(redis: Any, key: str) -> None:
    redis.hset(key, mapping={NOT_TEXT: NOT_TEXT, "until": "soon", "epoch": "first"})


def _set(redis: Any, key: str) -> None:
    redis.sadd(key, NOT_TEXT)


def _zset(redis: Any, key: str) -> None:
    redis.zadd(key, {NOT_TEXT: 1.0, b"turns:" + NOT_TEXT: "-inf", "turns:a{b}c": 2.0, "a{b}c": "-inf", "": 1.0})


def _stream(redis: Any, key: str) -> None:
    redis.xadd(key, {"a": NOT_TEXT})


def _lease_of_garbage(redis: Any, key: str) -> None:
    garbage = ("holder", "until", "turn", "attempts", "ending", "streamed", "epoch", "life", "forgiven")
    redis.hset(key, mapping=dict.fromkeys(garbage, NOT_TEXT))


def _rounds_of_garbage(redis: Any, key: str) -> None:
    redis.hset(key, mapping={"at": "never", "from": NOT_TEXT})


def _deep_json(redis: Any, key: str) -> None:
    redis.set(key, "[" * 100_000)


def _odd_json(redis: Any, key: str) -> None:
    redis.set(key, '{"running": NaN, "agent": "\\ud800", "fingerprint": [1]}')


def _call_sid(key: str) -> str:
    """Whose state it is to be."""
    return key.removeprefix("{").removesuffix("}:new").removeprefix(keys.STATE_PREFIX)


def _no_version(redis: Any, key: str) -> None:
    redis.set(key, f'{{"call_sid": "{_call_sid(key)}", "turns": []}}')


def _other_version(redis: Any, key: str) -> None:
    redis.set(key, f'{{"version":1,"version":7,"call_sid":"{_call_sid(key)}"}}')


def _another_call(redis: Any, key: str) -> None:
    redis.set(key, '{"version":1,"call_sid":"CAother"}')


TYPES: dict[str, Write] = {
    "string": _string, "list": _list, "hash": _hash, "zset": _zset, "set": _set, "stream": _stream,
}  # fmt: skip


@dataclass(frozen=True)
class Damage:
    """`write` puts something into the key that `name` stands for; `of_call` says whether it is one call's own."""

    name: str
    kind: str
    write: Write
    of_call: bool

    def __str__(self) -> str:
        return f"{self.name} is {self.kind}"

    def key(self, call_sid: str, shards: tuple[keys.ShardKeys, ...]) -> str:
        """The key's name, as for the call with that SID."""
        if self.of_call:
            return keys.schedule(call_sid) if self.name == "schedule" else str(getattr(keys.call(call_sid), self.name))
        shard = keys.shard_of(shards, call_sid)
        if self.name == "job":
            return shard.job(f"turns:{call_sid}")
        if self.name == "foreign_job":
            return shard.job("foreign")
        if self.name == "worker_room":
            return keys.worker_room()
        if self.name == "worker_status":
            return keys.worker_status("stranger")
        if self.name == "idempotency_record":
            return keys.idempotency_record("order-1")
        if hasattr(shard, self.name):
            return str(getattr(shard, self.name))
        return str(getattr(keys, self.name.upper()))

    def do(self, redis: Any, key: str) -> None:
        """Put it there, with a time to live."""
        aside = (key if key.startswith("{") else "{" + key + "}") + ":new"  # the product may write to the key meanwhile
        self.write(redis, aside)
        redis.expire(aside, LIFE_SECONDS)
        redis.rename(aside, key)


_OF_CALL = ("state", "inbox", "turns", "lease", "listeners", "schedule")
_OF_ALL = (
    "calls", "due", "queue", "wake", "rounds", "job", "foreign_job", "write_mark", "dead_letters", "workers",
    "last_cron_run", "worker_room", "worker_status", "idempotency_record", "seal_keys", "fleet_counts",
    "schedules", "processes",
)  # fmt: skip

DAMAGES = [
    *(Damage(name, f"a {kind}", write, True) for name in _OF_CALL for kind, write in TYPES.items()),
    Damage("lease", "full of garbage", _lease_of_garbage, True),
    *(Damage("state", kind, write, True) for kind, write in (
        ("without a version", _no_version), ("of two versions", _other_version), ("another call's", _another_call),
        ("deep", _deep_json),
    )),
    *(Damage(name, f"a {kind}", write, False) for name in _OF_ALL for kind, write in TYPES.items()),
    Damage("rounds", "full of garbage", _rounds_of_garbage, False),
    *(Damage(name, kind, write, False) for name in ("worker_status", "idempotency_record") for kind, write in (
        ("deep", _deep_json), ("odd", _odd_json),
    )),
]  # fmt: skip
"""All keys of docs/design.md, each with every type, and those of the right type with what is not in it."""
_NAMES = list(dict.fromkeys(damage.name for damage in DAMAGES))
ONE_OF_EACH = [
    next(damage for damage in DAMAGES if (damage.name, damage.kind) == (name, f"a {kind}"))
    for name, kind in zip(_NAMES, itertools.cycle(TYPES), strict=False)
]
"""Each key once, and each type several times: where the keys lie makes the difference, not what is in them."""
