"""What a webhook receiver has been told, each request's signature verified by the library of Standard Webhooks."""

from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from redis import Redis
from standardwebhooks import Webhook
from support.waiting import wait_until
from support.webhook_receiver import Answer, Received, WebhookReceiver

from orchestrator.events.event import Event
from orchestrator.redis import keys

SECRET = "whsec_" + "QUJD" * 8


class ToldEvents:
    """A receiver, and the settings by which the product sends to it. `answers` come first; then each is taken."""

    def __init__(self, *answers: Answer) -> None:
        self.receiver = WebhookReceiver(*answers)

    async def __aenter__(self) -> Self:
        await self.receiver.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.receiver.__aexit__(kind, error, trace)

    @property
    def settings(self) -> dict[str, str]:
        """Environment variables of the product's processes."""
        return {
            "EVENTS_WEBHOOK_URL": self.receiver.url,
            "EVENTS_WEBHOOK_SECRET": SECRET,
            "EVENTS_ALLOW_PRIVATE": "true",
        }

    @property
    def requests(self) -> list[Received]:
        """All requests that came, as they came."""
        return self.receiver.received

    @property
    def events(self) -> list[Event]:
        """Each event once, in the order in which they came first."""
        found: dict[str, Event] = {}
        for request in self.requests:
            event = Event.model_validate(Webhook(SECRET).verify(request.body, request.headers))
            assert request.headers["webhook-id"] == event.id
            assert found.setdefault(event.id, event) == event, "an event changed between two deliveries"
        return list(found.values())

    def of(self, call_sid: str) -> list[Event]:
        """The events of one call."""
        return [event for event in self.events if event.call_sid == call_sid]

    async def ended(self, call_sid: str, seconds: float = 60) -> dict[str, Any]:
        """The data of the call's `call.ended`, once it has come."""

        async def found() -> dict[str, Any] | None:
            return next((event.data for event in self.of(call_sid) if event.type == "call.ended"), None)

        record = await wait_until(found, f"{call_sid} has a call.ended, of {self.types(call_sid)}", seconds)
        assert record is not None
        return record

    def types(self, call_sid: str) -> list[str]:
        """The types of the call's events, in order."""
        return [event.type for event in self.of(call_sid)]

    async def settled(self, redis: Redis, *, lives: int = 1) -> None:
        """Wait until no call is open and nothing waits; then each call has been told as promised."""

        async def nothing_left() -> bool:
            return redis.zcard(keys.SINGLE_SHARD.agenda) == 0

        await wait_until(nothing_left, "no call is left on the agenda", 60)
        for call_sid in {event.call_sid for event in self.events}:
            seqs: dict[str, list[int]] = {}
            life = 0
            for event in self.of(call_sid):
                life += event.seq == 1
                seqs.setdefault(str(life), []).append(event.seq)
            assert all(found == list(range(1, len(found) + 1)) for found in seqs.values()), (call_sid, seqs)
            counted = Counter(self.types(call_sid))
            assert counted["call.ended"] == lives, (call_sid, counted)


def let_time_pass(redis: Redis, call_sid: str) -> None:
    """Let the 30 s pass for which the provider's word is waited for after an agent's hang-up."""
    outbox = keys.outbox(call_sid)
    assert redis.hexists(outbox, "end_at"), "the end of the call is not waited for"
    redis.hset(outbox, "end_at", 1)
    look_now(redis, call_sid)


def expire(redis: Redis, call_sid: str) -> None:
    """Let the time of the call's state run out."""
    assert redis.delete(keys.state(call_sid)) == 1
    look_now(redis, call_sid)


def look_now(redis: Redis, call_sid: str) -> None:
    """Have a worker look at the call as soon as it looks at any."""
    redis.zadd(keys.SINGLE_SHARD.agenda, {call_sid: 1})


def whole_lines(path: Path) -> list[str]:
    """The lines of a sink's file, without the one that is being written."""
    return path.read_text().rpartition("\n")[0].splitlines() if path.exists() else []
