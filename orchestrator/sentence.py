"""A sentence that the server says, with a code and values by which a page says the same in its reader's language."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Code = Literal[
    "redis_answers", "redis_unusable", "redis_unconfirmed", "in_memory", "unknown_without_redis",
    "workers_none", "workers_unable", "workers_alive", "workers_mixed", "worker_alone", "threads_blocked",
    "process_silent", "dead_letters", "queue_calm", "queue_slow", "queue_sheds", "keys_missing",
    "events_undelivered", "events_unmeasured", "events_delivered", "events_delivered_or_dead", "events_wait",
    "sink_stopped", "sink_overdue", "sink_late", "outbox_nearly_full",
    "plan_none", "plan_current", "plan_ramping", "current_without_workers", "ramping_without_workers", "rolled_back",
    "worker_lost", "worker_taken_over", "worker_frozen", "worker_stopped", "worker_started", "worker_unable",
    "worker_unable_now", "ingress_lost", "ingress_frozen", "ingress_stopped", "ingress_started",
    "redis_outage", "redis_outage_now", "rollback",
    "several_worker_lost", "several_ingress_lost", "several_worker_frozen", "several_ingress_frozen",
    "several_worker_unable", "several_redis_outage",
]  # fmt: skip
"""What a code means stays the same in later versions. docs/operations.md tells of them."""
Param = str | int | float


@dataclass(frozen=True, slots=True)
class Sentence:
    """`message` is the fact, `advice` what to do, or "". `params` are the values in them, without their units."""

    code: Code
    message: str
    advice: str = ""
    params: Mapping[str, Param] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the fact and the advice."""
        return f"{self.message} {self.advice}".strip()

    def described(self) -> dict[str, Any]:
        """Return it as the API tells it."""
        return {"code": self.code, "params": dict(self.params), "message": self.message, "advice": self.advice}


def said(*sentences: Sentence) -> dict[str, Any]:
    """Return the members of a check in which it says these: in words, and each by its code."""
    return {"message": " ".join(it.text for it in sentences), "says": [it.described() for it in sentences]}


NO_WORKERS = Sentence("workers_none", "No worker is alive.", "Start one: python -m workers")


def split_advice(message: str) -> tuple[str, str]:
    """Return the fact and the advice of a message: its first sentence, and the rest."""
    says, _, advice = message.partition(". ")
    return (f"{says}." if says and not says.endswith((".", "!", "?")) else says), advice
