"""Which type each of our keys must have, by the end of its name."""

from orchestrator.redis import keys

_TYPES = {
    keys.INBOX: "list", "turns": "hash", "lease": "hash", "listeners": "zset", "calls": "zset", "due": "zset",
    "rounds": "hash", "write-mark": "string", "dead": "hash", "workers": "zset", "unable-workers": "zset",
    "heartbeat": "string", "relay-documents": "hash", "seal-keys": "hash", "queue": "zset", "wake": "list",
    "room": "zset", "presence": "hash", "agenda": "zset", "outbox": "hash",
    "schedules": "zset", "begun": "zset", "schedule": "hash",
    "counts": "hash", "stopped-sinks": "hash", "operator-changes": "list", "outbox-report": "string",
    "transfer-answers": "hash", "rollout": "hash", "rollout-outcomes": "hash", "rollout-mark": "string",
    "incident-times": "zset", "incident-subjects": "hash", "loose-notices": "list", "findings": "hash",
    "incident-watch": "string", "incident": "hash", "noticed": "hash",
    "processes": "hash", "changes": "string", "sampler": "string",
}  # fmt: skip
_STRINGS = (
    keys.STATE_PREFIX, keys.worker_status(""), keys.IDEMPOTENCY, keys.tombstone(""), "drain:", "batch:",
    "minute:", "arq:",
)  # fmt: skip


def type_of(key: str) -> str | None:
    """Return the type that Redis must report for the key; None if the key is not ours."""
    bare = key.rpartition("}:")[2] if key.startswith("{") else key
    if bare.startswith(keys.QUEUE + ":"):  # a lane, or what belongs to one; arq keeps a record of its own there
        if ":tenant:" in bare or bare.rpartition(":")[0] == f"{keys.QUEUE}:version":
            return "zset"
        return {"wake": "list", "health-check": "string"}.get(bare.rpartition(":")[2], "zset")
    if bare.startswith(_STRINGS) and bare not in (keys.QUEUE, keys.wake_list()):
        return "string"
    return _TYPES.get(bare.rpartition(":")[2])
