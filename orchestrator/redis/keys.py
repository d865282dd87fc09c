"""Every Redis key the product uses. Nothing else spells one.

What belongs to one call carries the whole state key as its hash tag, so that in a cluster it lies in the slot
of the plain state key, whose name the product guide fixes.
"""

from dataclasses import dataclass
from hashlib import sha256

STATE_PREFIX = "voiceagent:state:"

ACTIVE_CALLS = "voiceagent:calls"
"""Sorted set: call SID of every active call → when its state expires (seconds)."""
DUE = "voiceagent:due"
"""Sorted set: call SID of every call with waiting turns → when somebody must look after it (ms)."""
DEAD_LETTERS = "voiceagent:dead"
"""Hash: `call_sid/turn_id` → the turn that was given up, as JSON."""
WORKERS = "voiceagent:workers"
"""Sorted set: worker id → when it last gave a sign of life (seconds)."""
WRITE_MARK = "voiceagent:write-mark"
"""String: written before a WAIT, which covers what was written before it."""
HEARTBEAT = "voiceagent:heartbeat"
"""String: when a cron job last ran (seconds)."""
QUEUE = "arq:queue"
"""arq's sorted set of jobs: job id → when it is due (ms)."""


OURS = ("voiceagent:*", "{voiceagent:*", QUEUE + "*")
"""Patterns of every key that must have a time to live."""


def state(call_sid: str) -> str:
    """String: the state as JSON."""
    return STATE_PREFIX + call_sid


@dataclass(frozen=True, slots=True)
class CallKeys:
    """The keys of one call."""

    state: str
    inbox: str  # list: ids of the turns that wait, in order
    turns: str  # hash: turn id → P + the waiting turn, or R + its recorded result
    lease: str  # hash: epoch, holder, until (ms), turn, attempts
    listeners: str  # sorted set: channel of every ingress that waits for this call → until when (ms)

    @property
    def all(self) -> tuple[str, str, str, str, str]:
        """In the order in which scripts take them."""
        return (self.state, self.inbox, self.turns, self.lease, self.listeners)


def call(call_sid: str) -> CallKeys:
    """The keys of the call."""
    key = state(call_sid)
    tag = "{" + key + "}:"
    return CallKeys(key, tag + "inbox", tag + "turns", tag + "lease", tag + "listeners")


def wake_list(queue: str = QUEUE) -> str:
    """List: one token for each worker to wake up."""
    return queue + ":wake"


def reply_channel(ingress_id: str) -> str:
    """Pub/sub: tokens and results for one ingress."""
    return f"voiceagent:ingress:{ingress_id}"


def control_channel(holder: str) -> str:
    """Pub/sub: cancellations for one worker."""
    return f"voiceagent:worker:{holder}"


def worker_status(worker_id: str) -> str:
    """String: what a worker says of itself, as JSON, while it lives."""
    return f"voiceagent:worker-status:{worker_id}"


def receipt(key: str) -> str:
    """String: what became of the order with this idempotency key, as JSON. The key is a client's: it is hashed."""
    return f"voiceagent:receipt:{sha256(key.encode()).hexdigest()}"
