"""Reads the grants that a submit pushes to a worker, in the message that wakes it. `call_push.lua` writes them.

A message is one line of JSON, the turn as JSON, and the state as JSON:

`{"g": epoch, "n": attempt, "o": 1 if the call ends, "s": 1 if tokens are wanted, "at": when it was granted (ms, by the
server's clock), "l": bytes of the turn, "c": call_sid, "t": turn_id}`

If there is one, "w" is the tenant, and "v" the version that the call was pinned to before.

Unknown fields are ignored. Nothing waited behind the turn, so nothing interrupts it yet.
"""

from pydantic_core import from_json

from orchestrator.turns.redis.lease_scripts import Grant
from orchestrator.turns.store import Lease

_PREFIX = b'{"g":'


def is_pushed_grant(message: bytes) -> bool:
    """True if the message to a worker is a grant."""
    return message.startswith(_PREFIX)


def read_pushed_grant(message: bytes, holder: str) -> Grant:
    """Decode a grant that was pushed to `holder`. Raise ValueError or KeyError on anything else."""
    line, _, rest = message.partition(b"\n")
    fields = from_json(line)
    length = int(fields["l"])
    return Grant(
        Lease(fields["c"], holder, int(fields["g"])),
        int(fields["n"]),
        bool(fields["o"]),
        bool(fields["s"]),
        fields["t"].encode(),
        rest[:length],
        b"",
        rest[length:],
        pushed_at=int(fields["at"]),
        tenant=str(fields.get("w", "")),
        moved_from=str(fields.get("v", "")),
    )
