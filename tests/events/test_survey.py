"""The survey of all outboxes: what it reports, what it forgets, and what it drops when there is no room."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext

import pytest
from redis.asyncio import Redis
from support.passing_time import moving_clock
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.encryption.cipher import NO_CIPHER
from orchestrator.events.memory_outbox import MemoryOutbox
from orchestrator.events.outbox import NewEvent, Outbox, StoppedSink
from orchestrator.events.outbox_report import OutboxReport, SinkReport
from orchestrator.events.outbox_watch import OutboxWatch
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.events.redis.scripts import accept_call
from orchestrator.events.survey import DEAD_KEPT_SECONDS, survey_outbox
from orchestrator.process_metrics import catalog
from orchestrator.redis import keys
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.testing.example_events import (
    DEAD,
    an_event,
    announcement,
    delivery,
    failed,
    head_of,
    settle_all,
)

MUCH = 10**9
SINKS = ("file", "hook")


@pytest.fixture(autouse=True)
def pass_time() -> Iterator[Callable[[float], None]]:
    with moving_clock() as pass_time:
        yield pass_time


@pytest.fixture
def outbox() -> MemoryOutbox:
    return MemoryOutbox(InMemoryStateManager(10**7), SINKS)


async def told(outbox: MemoryOutbox, call_sid: str, *events: NewEvent) -> None:
    """Announce events of a call, whose data has its SID."""
    state = await outbox.states.create_state(call_sid)
    for new in events:
        new.event.data["call_sid"] = call_sid
    outbox.announce(announcement(head_of(state), *events))


async def given_up(outbox: MemoryOutbox, call_sid: str, *sinks: str, text: str = "a") -> None:
    """Announce an event for these sinks, each of which refuses it."""
    await told(outbox, call_sid, an_event(text, sinks))
    await settle_all(outbox, await delivery(outbox, call_sid), DEAD)


async def surveyed(outbox: Outbox, max_bytes: int = MUCH) -> OutboxReport:
    return await survey_outbox(outbox, at=clock.now(), max_bytes=max_bytes)


async def dead_calls(outbox: Outbox) -> list[str]:
    call_sids, _ = await outbox.calls(most=1000)
    return [sid for sid in call_sids if any(it.dead_at for it in await outbox.undelivered(sid))]


async def test_the_report_sums_up_what_the_sinks_have_not_got(outbox, pass_time) -> None:
    await told(outbox, "CA1", an_event("a", SINKS), an_event("b"))
    claimed = await delivery(outbox)
    await settle_all(outbox, claimed, failed(30))
    await outbox.release(claimed.lease)
    pass_time(100)
    await given_up(outbox, "CA2", "hook")
    report = await surveyed(outbox)
    assert (report.calls, report.events, report.dead, report.pending) == (2, 3, 1, 3)
    left = [it for call_sid in ("CA1", "CA2") for it in await outbox.undelivered(call_sid)]
    assert report.bytes == sum({it.entry.event.id: it.bytes for it in left}.values())
    assert 100 <= report.oldest_seconds < 160
    file, hook = report.sinks["file"], report.sinks["hook"]
    assert (file.pending, file.dead, hook.pending, hook.dead) == (2, 0, 1, 1)
    assert 70 <= hook.overdue_seconds < 130


async def test_a_sink_that_has_got_everything_is_in_the_report(outbox) -> None:
    assert (await surveyed(outbox)).sinks == {"file": SinkReport(), "hook": SinkReport()}


async def test_a_stopped_sink_is_stopped_and_not_late(outbox, pass_time) -> None:
    await told(outbox, "CA1", an_event("a", ("hook",)))
    await settle_all(outbox, claimed := await delivery(outbox), failed(30))
    await outbox.release(claimed.lease)
    await outbox.stop_sink(StoppedSink("hook", "f", "The webhook answered with HTTP status 410.", clock.now()))
    pass_time(1000)
    hook = (await surveyed(outbox)).sinks["hook"]
    assert (hook.stopped, hook.overdue_seconds, hook.pending) == (True, 0.0, 1)


async def test_a_sink_that_was_stopped_at_another_address_is_not_stopped(outbox) -> None:
    await outbox.stop_sink(StoppedSink("hook", "old", "It is gone.", clock.now()))
    for fingerprint, is_stopped in (("new", False), ("old", True)):
        report = await survey_outbox(outbox, at=clock.now(), max_bytes=MUCH, fingerprints={"hook": fingerprint})
        assert report.sinks["hook"].stopped == is_stopped


async def test_the_dead_are_forgotten_after_seven_days_and_no_sooner(outbox, pass_time, caplog) -> None:
    await given_up(outbox, "CA1", "hook")
    pass_time(1000)
    await given_up(outbox, "CA2", "hook")
    await told(outbox, "CA3", an_event("a"))
    pass_time(DEAD_KEPT_SECONDS - 500)
    await surveyed(outbox)
    assert await dead_calls(outbox) == ["CA2"]
    assert [record.action for record in caplog.records] == ["events.forgotten"]
    assert (await surveyed(outbox)).pending == 1, "what is pending is kept however old it is"


async def test_without_room_the_oldest_dead_go_first_and_no_more_than_needed(outbox, pass_time, caplog) -> None:
    for call_sid in ("CA3", "CA1", "CA2"):
        pass_time(10)
        await given_up(outbox, call_sid, "hook", text="x" * 10_000)
    await told(outbox, "CA4", an_event("x" * 10_000))
    before = sum(catalog.DELIVERIES_DROPPED.counts().values())
    await surveyed(outbox, max_bytes=35_000)
    assert sum(catalog.DELIVERIES_DROPPED.counts().values()) == before + 1
    assert await dead_calls(outbox) == ["CA1", "CA2"], "the call whose delivery was given up first has lost it"
    assert [record.action for record in caplog.records] == ["events.dropped"]
    assert caplog.records[0].levelname == "ERROR"
    assert caplog.records[0].count == 1


async def test_an_event_that_another_sink_waits_for_frees_nothing(outbox, pass_time) -> None:
    await told(outbox, "CA1", an_event("x" * 10_000, SINKS))
    claimed = await delivery(outbox)
    await outbox.settle(claimed.lease, "hook", 1, DEAD)
    pass_time(10)
    await given_up(outbox, "CA2", "hook", text="x" * 10_000)
    await surveyed(outbox, max_bytes=15_000)
    assert [it.sink for it in await outbox.undelivered("CA1")] == ["file"]
    assert await outbox.undelivered("CA2") == []


async def test_what_is_pending_is_never_dropped_and_that_there_is_no_room_is_told(outbox, caplog) -> None:
    await told(outbox, "CA1", an_event("x" * 10_000), an_event("y" * 10_000, SINKS))
    report = await surveyed(outbox, max_bytes=5_000)
    assert report.pending == 3
    assert (await surveyed(outbox, max_bytes=5_000)).pending == 3
    assert [record.action for record in caplog.records] == ["events.full"] * 2


async def test_a_process_without_redis_watches_its_own_outbox(outbox) -> None:
    await told(outbox, "CA1", an_event("a"))
    async with OutboxWatch(outbox, MUCH, interval_seconds=0.01) as watch:
        await wait_until(lambda: watch.latest is not None and watch.latest.pending == 1, "it has looked")
        await told(outbox, "CA2", an_event("a"))
        await wait_until(lambda: watch.latest is not None and watch.latest.pending == 2, "it has looked again")


async def test_ten_thousand_calls_are_surveyed_in_chunks(redis_client: Redis) -> None:
    connection = StoreConnection(redis_client, nullcontext)
    (shard,) = shards_of(redis_client)
    outbox = RedisOutbox(connection, (shard,), sinks=SINKS)
    state = await InMemoryStateManager(100).create_state("CA")
    head = head_of(state)
    for start in range(0, 10_000, 1000):
        await connection.run_all(
            [
                accept_call(
                    call_sid=f"CA{number}",
                    announcement=announcement(head, an_event("a")),
                    shard=shard,
                    cipher=NO_CIPHER,
                )
                for number in range(start, start + 1000)
            ]
        )
    before = await redis_client.info("commandstats")
    report = await surveyed(outbox)
    after = await redis_client.info("commandstats")

    def ran(command: str) -> int:
        return int(after[f"cmdstat_{command}"]["calls"]) - int(before.get(f"cmdstat_{command}", {"calls": 0})["calls"])

    assert (report.calls, report.events, report.sinks["file"].pending) == (10_000, 10_000, 10_000)
    assert 10_000 <= ran("evalsha") <= 10_100
    assert 20 <= ran("zscan") <= 200
    largest = max([len((await outbox.survey(cursor, 100))[0]) for cursor in ("", "0:1", "0:77")])
    assert largest <= 200, "a chunk is bounded however many calls there are"
    await redis_client.delete(*[keys.outbox(f"CA{number}") for number in range(10_000)])
