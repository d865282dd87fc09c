"""Readers of what is found in Redis, and of what its pub/sub brings. The scripts are tried on a server
(`call_fuzzer.py`)."""

import json
from base64 import b64encode
from typing import Any

from fuzz.network_readers import NOW, TURN, encoded, text
from fuzz.target import Target

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.encryption.keys import key_list
from orchestrator.errors import UnreadableSeal, UnreadableState
from orchestrator.events.outbox_report import read_report
from orchestrator.events.redis.scripts import delivery_of
from orchestrator.events.redis.sealed_parts import read_failures
from orchestrator.history.amounts import read_amounts
from orchestrator.history.points import point
from orchestrator.incidents.redis.reading import read_incident
from orchestrator.schedule.item import read_item
from orchestrator.state.reading import read_state
from orchestrator.turns.messages import read_arrival, read_to_ingress
from orchestrator.turns.redis.pushed_grant import read_pushed_grant
from orchestrator.worker_versions.plan import plan_of
from workers.job_format import read_job

REPLY: dict[str, Any] = {"text": "Hello.", "actions": [
    {"type": "gather", "input": "both", "hints": ["yes"]}, {"type": "transfer", "to": "+15551230000"},
    {"type": "set_timer", "name": "later", "seconds": 5, "data": {"a": 1}}, {"type": "play", "url": "https://x/y"},
]}  # fmt: skip
RESULT: dict[str, Any] = {
    "call_sid": "CA1", "turn_id": "t1", "outcome": "replied", "reply": REPLY, "timings": {"claimed": 1.5},
    "preceding": [REPLY],
}  # fmt: skip
STATE: dict[str, Any] = {
    "version": 3, "call_sid": "CA1", "status": "active", "channel": "gather", "direction": "inbound",
    "from_number": "+15558675310", "to_number": "+15551234567", "phase": "menu", "slots": {"name": "Ada", "n": [1]},
    "turns": [{
        "turn_id": "t1", "kind": "speech", "text": "hi", "received_at": NOW, "committed_at": NOW,
        "outcome": "replied", "reply": REPLY, "heard": "Hel", "epoch": 2, "timings": {"claimed": 1.5},
        "data": {"result": 1}, "unspoken": ["t0"],
    }],
    "created_at": NOW, "updated_at": NOW, "timers": {"later": {"turn_id": "~t", "due_at": NOW, "data": {}}},
    "activities": {"book": {"turn_id": "~a", "function": "a:b", "started_at": NOW}}, "agent": "north",
    "ended": None, "open_until": NOW,
}  # fmt: skip
EVENT: dict[str, Any] = {"id": "e1", "type": "call.started", "timestamp": NOW, "data": {"call_sid": "CA1", "agent": ""}}
ITEM = {"item_id": "1", "call_sid": "CA1", "life": "a", "asked_by": "t1", "due_at": NOW}
ENTRY = b'{"n":1,"s":["file"]}\n' + encoded(EVENT)
ENDED = {**STATE, "ended": {"status": "completed", "reason": "said goodbye", "at": NOW}, "status": "completed"}

KEY = b64encode(bytes(range(32))).decode()
CIPHER = Cipher(key_list(f"plain,{KEY}"))
SEALED = b'{"version":1,"sealed":"tBGJvs8sQTC1W7aRTtLk2AAAAAAAAAAAopYLAxKEZKE2sO+IUZO84xRjzaT0"}'
"""What `CIPHER` opens: a literal, since each sealing makes another one, and the same seed is to make the same input."""
UNREADABLE_MESSAGE = (Exception,)
"""Whatever is raised by a message, its subscription logs one line and goes on."""


def grant(turn: Any, state: Any) -> bytes:
    """Return a grant as it is pushed to a worker."""
    body = encoded(turn)
    head = {"g": 1, "n": 1, "o": 0, "s": 1, "at": 1, "l": len(body), "c": "CA1", "t": "t1"}
    return json.dumps(head, separators=(",", ":")).encode() + b"\n" + body + encoded(state)


def delivery(data: bytes) -> object:
    """Read a grant of a delivery whose entry, and what is known of the sink's failures, are the input."""
    first, _, rest = data.partition(b"\n\n")
    return delivery_of("CA1", "holder", NO_CIPHER, [b"1", [b"1", rest, b"2", ENTRY], [[b"file", first, b"1", b"2"]]])


def history(data: bytes) -> object:
    """Read a minute of the history, and make what is shown of it."""
    return json.dumps(point(0, [read_amounts(data)]), allow_nan=False)


def incident(data: bytes) -> object:
    """Read an incident whose fields, and the first notice of it, are the input; and make what is shown of it."""
    about, _, noticed = data.partition(b"\n\n")
    fields = {b"kind": b"worker_lost", b"at": b"5.5", b"until": about[:12], b"about": about, b"count": noticed[:9]}
    found = read_incident("i1", fields, {b"CA1/t1/held": noticed})
    return found and json.dumps(found.described(), allow_nan=False, ensure_ascii=False).encode()


def plan(data: bytes) -> object:
    """Read the hash of a rollout plan."""
    fields = json.loads(data)
    return plan_of({str(name): str(value) for name, value in fields.items()}) if isinstance(fields, dict) else None


TARGETS = (
    Target("state", lambda data: read_state("CA1", data), (encoded(STATE), encoded(ENDED)), (UnreadableState,)),
    Target("message-to-ingress", read_to_ingress, (
        encoded({"c": "CA1", "t": "t1", "e": 1, "i": 0, "x": "Hello", "n": 1, "d": [{"type": "play", "url": "u"}]}),
        encoded({"c": "CA1", "t": "t1", "e": 1, "r": json.dumps(RESULT)}), encoded({"c": "CA1", "o": "one"}),
        encoded({"c": "CA1", "g": "one", "k": True, "s": "{}"}), encoded({"c": "CA1", "q": "one"}),
        encoded({"c": "CA1", "w": "one", "a": True}),
    ), UNREADABLE_MESSAGE),
    Target("arrival", read_arrival, (encoded({"c": "CA1", "t": "t2", "k": "interrupted", "x": "Hel", "a": "t1"}),),
           UNREADABLE_MESSAGE),
    Target("pushed-grant", lambda data: read_pushed_grant(data, "anna"), (grant(TURN, STATE),), UNREADABLE_MESSAGE),
    Target("scheduled-item", read_item, (
        encoded({"kind": "timer", **ITEM, "turn_id": "~t", "name": "a", "data": {"x": 1}}),
        encoded({"kind": "message", **ITEM, "to": "+1555", "text": "hi"}),
    ), (ValueError,)),
    Target("outbox-delivery", delivery, (
        b'{"failures":2,"first":5.5,"error":"x"}\n\n' + ENTRY, b"\n\n" + ENTRY,
    )),
    Target("dead-delivery", read_failures, (b'{"failures":2,"first":5.5,"error":"x"}',)),
    Target("outbox-report", read_report, (
        encoded({"at": 5, "calls": 1, "events": 2, "sinks": {"file": {"pending": 1, "oldest_seconds": 2.5}}}),
    )),
    Target("history", history, (
        encoded({"turns.replied": 3, "stage.reply.0.12": 2, "stage.reply.+Inf": 1, "max.active": 2, "min.workers": 1,
                 "utilization.sum": 0.5, "utilization.samples": 2, "fillers": 1, "max.oldest_wait_seconds": 0.2}),
    )),
    Target("incident", incident, (
        encoded({"detail": "taken", "process": {"id": "w1", "role": "worker", "host": "h", "pid": 7}})
        + b"\n\n" + encoded({"c": "CA1", "t": "t1", "how": "held", "ms": 12.5, "at": 5.5, "p": "i1", "by": "i2"}),
    )),
    Target("rollout-plan", plan, (
        encoded({"revision": "2", "current": "v1", "ramping": "v2", "percent": "5", "used": "v1 v2", "ramp_began": "1",
                 "rolled_back": "v3", "rolled_back_turns": "50 20", "current_turns": "50 1", "changed_at": "9.5"}),
    ), (ValueError, RecursionError)),
    Target("job", read_job, (encoded({"f": "turns", "a": ["CA1"], "k": {}, "et": 1}),), (ValueError, RecursionError)),
    Target("sealed-value", lambda data: CIPHER.open("place", data), (
        SEALED, b"plain",
    ), (UnreadableSeal,)),
    Target("encryption-keys", lambda data: key_list(text(data)), (f"plain,{KEY}".encode(),), (ValueError,)),
)  # fmt: skip
