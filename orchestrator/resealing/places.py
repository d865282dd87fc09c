"""Where words and numbers of calls lie in Redis, and how each such value is written anew under another key.

`PLACES` and `WITHOUT_WORDS` name every key of `orchestrator.redis.keys`; a test compares.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from orchestrator.encryption.cipher import Cipher
from orchestrator.events.redis.resealing import resealed_in_outbox, resealed_value, sealed_in_outbox
from orchestrator.redis import keys
from orchestrator.schedule.redis.resealing import resealed_item, sealed_in_schedule
from orchestrator.state.redis.sealed_states import resealed_state
from orchestrator.turns.redis.dead_letters import resealed_letter
from orchestrator.turns.redis.entries import resealed_entry


class Reseal(Protocol):
    """Writes a value anew."""

    def __call__(
        self, cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None
    ) -> bytes | None:
        """Return the value as `cipher` would write it now; None if it is like that.

        So is what sensitive turns have left in it, with the cipher `sensitive`. Raise `UnreadableSeal`, and ValueError
        for what is damaged.
        """


def _whole(field: str, stored: bytes) -> list[bytes]:
    return [stored]


def _after_mark(field: str, stored: bytes) -> list[bytes]:
    return [stored[1:]]


def _seal_key(field: str, stored: bytes) -> list[bytes]:
    return [stored] if field == "current" or field.startswith("other:") else []


def _resealed_seal_key(
    cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None
) -> bytes | None:
    return resealed_value(cipher, key, "", stored) if _seal_key(field, stored) else None


@dataclass(frozen=True, slots=True)
class Place:
    """One kind of key: what people call what lies there, and whether it is a string or a hash of such values.

    `sealed` returns what is encrypted in a value, and raises ValueError if that is damaged.
    """

    shown: str
    type: Literal["string", "hash"]
    reseal: Reseal
    sealed: Callable[[str, bytes], list[bytes]] = _whole


PLACES: dict[str, Place] = {
    keys.STATE_PREFIX: Place("states of calls", "string", resealed_state),
    "turns": Place("turns that wait, and results", "hash", resealed_entry, _after_mark),
    "outbox": Place("events", "hash", resealed_in_outbox, sealed_in_outbox),
    "schedule": Place("timers, activities and messages", "hash", resealed_item, sealed_in_schedule),
    keys.DEAD_LETTERS: Place("dead letters", "hash", resealed_letter),
    keys.IDEMPOTENCY: Place("orders with an Idempotency-Key", "string", resealed_value),
    keys.SEAL_KEYS: Place("keys of the seal", "hash", _resealed_seal_key, _seal_key),
    keys.STOPPED_SINKS: Place("stopped sinks", "hash", resealed_value),
}
"""By `name_of` the key."""

_NO_NUMBER = "SIDs of calls, times and counts"
WITHOUT_WORDS: dict[str, str] = {
    "inbox": "ids of turns",
    "lease": "holder, times, and ids of turns",
    "listeners": "channels, and times",
    "relay-documents": "numbers of documents, and ids of ingresses",
    "transfer-answers": "SIDs of calls at the provider",
    "calls": _NO_NUMBER,
    "due": _NO_NUMBER,
    "rounds": "times",
    "agenda": _NO_NUMBER,
    "schedules": _NO_NUMBER,
    "rollout": "versions of workers",
    "rollout-outcomes": "versions of workers, and counts",
    "rollout-mark": "that there is a plan",
    "write-mark": "that something was written",
    "watched": "that somebody watches",
    "workers": "ids of workers, and times",
    "unable-workers": "ids of workers, and times",
    "room": "ids of workers, and counts",
    "presence": "counts, and versions of workers",
    "heartbeat": "a time",
    "outbox-report": "counts, and names of sinks",
    "counts": "counts",
    "operator-changes": "commands of people with a shell: SIDs of calls, and names",
    "incident-times": "ids of incidents, and times",
    "incident-subjects": "ids of processes and incidents, and times",
    "loose-notices": "SIDs of calls, ids of turns, and times",
    "findings": "ids of findings, and times",
    "incident-watch": "that somebody has looked",
    "incident": "ids, hosts and versions of processes, times and counts",
    "noticed": "SIDs of calls, ids of turns, and times",
    "begun": "keyed hashes of numbers, and times",
    "batch:": "a number",
    "minute:": "counts of the history, and names of outcomes and stages",
    "changes": "a count",
    "sampler": "the id of an ingress",
    "arq:": "jobs: SIDs of calls, and times",
    keys.worker_status(""): "what is being said is encrypted in it, and gone after seconds",
    "processes": "hosts, process ids, versions and counts",
    "drain:": "that a worker is to drain",
    keys.tombstone(""): "that a call was erased, under a keyed hash",
    "set-aside": "what others have written where a key of ours was to be",
}
"""By `name_of` the key: what lies there instead."""

_PREFIXES = (
    keys.STATE_PREFIX, keys.IDEMPOTENCY, keys.worker_status(""), keys.tombstone(""), "drain:", "batch:",
    "minute:", "arq:",
)  # fmt: skip
_WHOLE = (keys.DEAD_LETTERS, keys.SEAL_KEYS, keys.STOPPED_SINKS)


def name_of(key: str) -> str:
    """Return the name of the key's kind: its last part, or how it begins, or all of it."""
    bare = key.rpartition("}:")[2] if key.startswith("{") else key
    if key.endswith(":set-aside"):
        return "set-aside"
    prefix = next((prefix for prefix in _PREFIXES if bare.startswith(prefix)), None)
    return prefix or (bare if bare in _WHOLE else bare.rpartition(":")[2])


def place_of(key: str) -> Place | None:
    """Return the place that `key` is one of; None if it holds no words, or is not ours."""
    return PLACES.get(name_of(key))
