"""An ingress listens to the calls whose sockets it has, for as long as their callers are silent."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis
from support.dispatchers import open_dispatcher
from support.waiting import wait_until

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.dispatch.call_listeners import CallListeners
from orchestrator.dispatch.listening import Listening
from orchestrator.dispatch.pending_reply import PendingReply
from orchestrator.dispatch.queued import QueuedDispatcher
from orchestrator.redis import keys
from orchestrator.turns.redis.store import RedisTurnStore

CALL, CHANNEL = "CA1", "ours"
LATE = Turn(turn_id="~signal-late", call_sid=CALL, kind="signal", text="late", interrupt=True)


@dataclass
class Ear:
    """A listener that notes what it hears."""

    heard: list[tuple[str, str | None, bool]] = field(default_factory=list)
    seen: list[int | None] = field(default_factory=list)
    gaps: int = 0

    def hear(self, pending: PendingReply, *, interrupts: bool) -> None:
        result = pending.result
        self.heard.append((pending.turn_id, result.reply.text if result else None, interrupts))

    def missed(self) -> None:
        self.gaps += 1

    def look(self, version: int | None) -> None:
        self.seen.append(version)


@pytest.fixture
def ear() -> Ear:
    return Ear()


@pytest.fixture
async def dispatcher(redis_url: str, ear: Ear) -> AsyncIterator[QueuedDispatcher]:
    """An ingress that has the socket of a call."""
    async with open_dispatcher(redis_url, CHANNEL) as opened:
        await opened.submit(Turn(turn_id="start", call_sid=CALL, kind="started"), opening={"channel": "relay"})
        opened.listeners.add(CALL, ear)
        yield opened


async def answer(redis_client: Redis, turn: Turn | None, text: str) -> None:
    """Another process submits the turn, and a worker answers all that wait."""
    store = RedisTurnStore(redis_client, ttl_seconds=100)
    if turn is not None:
        await store.submit(turn)
    while (claim := await store.claim(CALL, "worker")) is not None:
        assert claim.state is not None
        record = TurnRecord.of(claim.turn, "replied", Reply(text=text), epoch=claim.lease.epoch)
        state = claim.state.model_copy(update={"turns": [*claim.state.turns, record]})
        await store.commit(claim, state, record, keep=False)


async def test_a_listener_hears_what_others_cause(dispatcher: QueuedDispatcher, redis_client: Redis, ear: Ear) -> None:
    await answer(redis_client, None, "Hello!")
    await answer(redis_client, LATE, "The doctor is late.")
    await wait_until(lambda: ear.heard, "it is heard")
    assert ear.heard == [("~signal-late", "The doctor is late.", True)]


async def test_one_that_has_stopped_hears_nothing(redis_url: str, redis_client: Redis, ear: Ear) -> None:
    async with open_dispatcher(redis_url, CHANNEL) as dispatcher:
        await dispatcher.submit(Turn(turn_id="start", call_sid=CALL, kind="started"), opening={"channel": "relay"})
        later = Ear()
        stop = dispatcher.listeners.add(CALL, ear)
        dispatcher.listeners.add(CALL, later)
        stop()  # which does not take the later one away
        await answer(redis_client, None, "Hello!")
        await answer(redis_client, LATE, "The doctor is late.")
        await wait_until(lambda: later.heard, "it is heard")
    assert ear.heard == []


async def test_what_was_missed_while_the_subscription_was_cut_is_looked_for(
    dispatcher: QueuedDispatcher, redis_client: Redis, ear: Ear
) -> None:
    await answer(redis_client, None, "Hello!")
    await redis_client.delete(keys.call(CALL).listeners)
    await answer(redis_client, LATE, "The doctor is late.")
    assert ear.heard == []
    await redis_client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    await wait_until(lambda: ear.seen, "it is looked")
    state = await redis_client.get(keys.state(CALL))
    assert ear.seen[0] is not None
    assert f'"version":{ear.seen[0]}'.encode() in state
    assert await redis_client.zscore(keys.call(CALL).listeners, CHANNEL) is not None


@dataclass
class Connection:
    """Notes how many scripts are run at a time."""

    batches: list[int] = field(default_factory=list)
    replies: list[Any] = field(default_factory=lambda: [0, b"7"])

    async def run_all(self, calls: Sequence[Any]) -> list[Any]:
        self.batches.append(len(calls))
        return [call.decode(self.replies) for call in calls]


@pytest.mark.parametrize(("replies", "seen"), [([0, b"7"], 7), ([1, b""], None)])
async def test_all_calls_are_renewed_together(replies: list[Any], seen: int | None) -> None:
    connection, listeners, ears = Connection(replies=replies), CallListeners(), [Ear() for _ in range(500)]
    for number, ear in enumerate(ears):
        listeners.add(f"CA{number}", ear)
    elsewhere = Ear()
    listeners.add("elsewhere", elsewhere)
    async with Listening(
        connection,
        CHANNEL,
        listeners,
        lambda call_sid: call_sid == "elsewhere",
        renew_seconds=0.01,  # type: ignore[arg-type]
    ):
        await wait_until(lambda: all(ear.seen for ear in ears), "all are renewed")
    assert set(connection.batches) == {500}
    assert {ear.seen[0] for ear in ears} == {seen}
    assert elsewhere.seen == []


async def test_a_state_that_lies_elsewhere_is_read_only_if_something_was_missed() -> None:
    connection, listeners, ear = Connection(replies=[0, b""]), CallListeners(), Ear()
    listeners.add(CALL, ear)
    async with Listening(connection, CHANNEL, listeners, renew_seconds=0.001) as listening:  # type: ignore[arg-type]
        await wait_until(lambda: len(connection.batches) > 2, "it was renewed")
        assert ear.seen == []
        listening.was_cut()
        await wait_until(lambda: ear.seen, "it is looked")
