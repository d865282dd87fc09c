"""`voiceagent events`: what is not delivered is listed, shown, replayed and dropped, and stopped sinks are resumed."""

import json
import re
from contextlib import nullcontext
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.terminal import CTRL_D, at_a_terminal, run_script

from orchestrator import clock
from orchestrator.events.event import new_event
from orchestrator.events.outbox import NewEvent, Settlement, StoppedSink
from orchestrator.events.redis.outbox import RedisOutbox
from orchestrator.redis.cluster import shards_of
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.example_events import announcement, head_of

pytestmark = pytest.mark.processes

HOUR = 3600.0
NOT_FOUND = "The webhook answered with HTTP status 404."


@pytest.fixture
def redis_url(each_redis_url: str) -> str:
    return each_redis_url


@pytest.fixture
def redis_client(each_redis_client: Redis) -> Redis:
    return each_redis_client


@pytest.fixture
def outbox(redis_client: Redis) -> RedisOutbox:
    return RedisOutbox(StoreConnection(redis_client, nullcontext), shards_of(redis_client), sinks=("file", "webhook"))


@pytest.fixture
def events(redis_url: str, tmp_path: Path):
    """`voiceagent events ARGUMENTS`: exit code, output, errors."""
    return lambda *arguments: run_script("events", *arguments, cwd=tmp_path, settings=used(redis_url))


def used(redis_url: str) -> dict[str, str]:
    return {"USE_REDIS": "true", "REDIS_URL": redis_url, "EVENTS_FILE": "events.jsonl"}


def an_event(call_sid: str, kind: str, sinks: tuple[str, ...], *, age: float) -> NewEvent:
    return NewEvent(new_event(kind, clock.now() - age, {"call_sid": call_sid, "said": "Grüße\x1b[31m\x9b31m"}), sinks)  # type: ignore[arg-type]


async def two_calls(outbox: RedisOutbox, redis: Redis) -> None:
    """CA1 has an event that is dead for the webhook and failed at the file; CA2 has one that nobody has tried."""
    states = RedisStateManager(redis, 100)
    head = head_of(await states.create_state("CA1"))
    await outbox.accept(
        announcement(
            head,
            an_event("CA1", "call.started", ("file",), age=3 * HOUR),
            an_event("CA1", "call.ended", ("file", "webhook"), age=2 * HOUR),
        )
    )
    claimed = await outbox.claim("CA1", "anna")
    assert claimed is not None
    later = clock.now() + 5.9 * HOUR
    for sink, position, settlement in (
        ("file", 1, Settlement("failed", "No space left on device", 3, clock.now(), later)),
        ("webhook", 2, Settlement("dead", NOT_FOUND, failures=1)),
    ):
        assert await outbox.settle(claimed.lease, sink, position, settlement)
    await outbox.release(claimed.lease)
    head = head_of(await states.create_state("CA2"))
    await outbox.accept(announcement(head, an_event("CA2", "call.started", ("webhook",), age=1)))


async def left(outbox: RedisOutbox, call_sid: str = "CA1") -> list[tuple[int, str, bool]]:
    """Seq and sink of what is not delivered, and whether it is dead."""
    return [(it.entry.event.seq, it.sink, it.dead_at is not None) for it in await outbox.undelivered(call_sid)]


async def test_where_everything_is_delivered_it_says_so(events) -> None:
    assert await events() == (0, "Every event is delivered.\n", "")


async def test_without_a_sink_it_says_why_there_are_no_events(redis_url, tmp_path) -> None:
    settings = {"USE_REDIS": "true", "REDIS_URL": redis_url}
    code, output, _ = await run_script("events", cwd=tmp_path, settings=settings)
    assert code == 0
    assert "No sink is set here" in output


async def test_deliveries_are_listed_with_what_failed_and_what_comes_next(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    code, output, errors = await events()
    assert (code, errors) == (0, "")
    heading, *lines = output.splitlines()
    assert heading.split() == ["CALL", "SEQ", "TYPE", "SINK", "STATE", "TRIES"]
    rows = [" ".join(line.split()) for line in lines]
    assert "CA1 1 call.started file in 5 h 3" in rows
    assert any(re.fullmatch(r"CA1 2 call.ended webhook dead [0-9]+ (s|min) 1", row) for row in rows)
    assert "CA2 1 call.started webhook waits 0" in rows
    assert any(line.startswith("    2 h old, ") and line.endswith(f" B: {NOT_FOUND}") for line in lines)
    assert lines[-1] == "3 pending, 1 dead."
    assert "\x1b" not in output


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--dead"], ["CA1 2 webhook"]),
        (["--sink", "file"], ["CA1 1 file", "CA1 2 file"]),
        (["--pending", "--sink", "webhook"], ["CA2 1 webhook"]),
        (["--call", "CA2"], ["CA2 1 webhook"]),
        (["--dead", "--since", "1h"], ["CA1 2 webhook"]),
        (["--pending", "--since", "1h"], ["CA2 1 webhook"]),
        (["--sink", "nobody"], []),
    ],
)
async def test_the_list_is_narrowed(events, outbox, redis_client, arguments, expected) -> None:
    await two_calls(outbox, redis_client)
    code, output, _ = await events(*arguments, "--json")
    found = json.loads(output)["events"]
    assert code == 0
    assert sorted(f"{it['call_sid']} {it['seq']} {it['sink']}" for it in found) == expected


async def test_the_list_is_paged_for_machines(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    seen, cursor = [], ""
    for _ in range(10):
        _, output, _ = await events("--json", "--limit", "1", *(["--cursor", cursor] if cursor else []))
        page = json.loads(output)
        seen += [(it["call_sid"], it["seq"], it["sink"]) for it in page["events"]]
        if not (cursor := page["next_cursor"]):
            break
    assert sorted(seen) == [("CA1", 1, "file"), ("CA1", 2, "file"), ("CA1", 2, "webhook"), ("CA2", 1, "webhook")]
    code, _, errors = await events("--cursor", "rubbish")
    assert code == 1
    assert "no cursor" in errors


async def test_an_event_is_shown_as_sinks_get_it(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    code, output, _ = await events("show", "CA1", "2")
    event = json.loads(output)
    assert (code, event["type"], event["data"]["seq"]) == (0, "call.ended", 2)
    assert event["data"]["said"] == "Grüße\x1b[31m\x9b31m"
    assert not {"\x1b", "\x9b"} & set(output), "what a caller said does not control the terminal"


async def test_what_is_not_there_is_refused_with_a_sentence(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    for arguments, sentence in (
        (["show", "CA1", "7"], "Event 7 of CA1 is not there"),
        (["show", "CA9", "1"], "Event 1 of CA9 is not there"),
        (["show", "CA1"], "Say which event: CALL SEQ"),
        (["show", "CA1", "x"], "x is no number of an event"),
        (["replay"], "Say which: CALL SEQ"),
        (["replay", "CA1", "1"], "only what is dead can be"),
        (["drop", "CA1", "1", "--sink", "webhook", "--yes"], "does not wait for a sink webhook"),
        (["drop", "CA1", "1"], "add --yes"),
        (["resume", "file"], "file is not stopped. No sink is stopped."),
    ):
        code, _, errors = await events(*arguments)
        assert code == 1, arguments
        assert sentence in errors
    assert len(await left(outbox)) == 3


async def test_what_failed_is_tried_at_once(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    assert await outbox.due() == ["CA2"]
    assert await events("retry", "CA1", "1") == (0, "1 delivery will be tried at once.\n", "")
    assert await outbox.due() == ["CA1"]
    assert await events("retry", "--json") == (0, '{"retried": 0}\n', ""), "it is due already"


async def test_one_dead_event_is_replayed(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    assert await events("replay", "CA1", "2") == (0, "1 delivery will be made again.\n", "")
    assert (2, "webhook", False) in await left(outbox)


async def test_all_dead_events_of_a_sink_are_replayed(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    assert await events("replay", "--sink", "file") == (0, "0 deliveries will be made again.\n", "")
    assert await events("replay", "--sink", "webhook", "--since", "1h", "--json") == (0, '{"replayed": 1}\n', "")
    assert (2, "webhook", False) in await left(outbox)


async def test_one_event_is_dropped(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    assert await events("drop", "CA1", "2", "--sink", "webhook", "--yes") == (0, "1 delivery dropped.\n", "")
    assert await left(outbox) == [(1, "file", False), (2, "file", False)]


async def test_many_are_dropped_and_only_what_was_named(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    assert await events("drop", "--all", "--yes") == (0, "1 delivery dropped.\n", ""), "only what is dead"
    _, output, _ = await events("drop", "--all", "--pending", "--yes")
    assert output == "3 deliveries of 2 calls dropped.\n"
    assert await left(outbox) == []


async def test_a_person_is_asked_before_anything_is_dropped(redis_url, tmp_path, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    for answer in ("n\n", "\n", CTRL_D):
        async with at_a_terminal("events", "drop", "CA1", "2", cwd=tmp_path, settings=used(redis_url)) as terminal:
            await terminal.shows("2 deliveries for file, webhook would be gone for good. Drop? [y/N]")
            terminal.type(answer)
            await terminal.shows("Nothing was dropped.")
            assert await terminal.exit_code() == 1
    assert len(await left(outbox)) == 3
    async with at_a_terminal("events", "drop", "CA1", "2", cwd=tmp_path, settings=used(redis_url)) as terminal:
        await terminal.shows("[y/N]")
        terminal.type("y\n")
        await terminal.shows("2 deliveries dropped.")
        assert await terminal.exit_code() == 0
    assert await left(outbox) == [(1, "file", False)]


async def test_at_a_terminal_what_is_dead_is_red(redis_url, tmp_path, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    async with at_a_terminal("events", cwd=tmp_path, settings=used(redis_url)) as terminal:
        await terminal.shows("3 pending, 1 dead.")
        assert "\x1b[31mdead" in terminal.text
        assert "\x1b[33min 5 h" in terminal.text


async def test_a_stopped_sink_is_named_and_resumed(events, outbox, redis_client) -> None:
    await two_calls(outbox, redis_client)
    gone = "The webhook answered with HTTP status 410."
    await outbox.stop_sink(StoppedSink("webhook", "f", gone, clock.now() - 2 * HOUR))
    _, output, _ = await events()
    first, *lines = output.splitlines()
    assert first == f"webhook has been stopped for 2 h: {gone} `voiceagent events resume webhook` delivers again."
    assert any(line.split()[4:5] == ["stopped"] for line in lines)
    code, output, _ = await events("resume", "webhook")
    assert code == 0
    assert output.startswith("webhook gets events again. For what died meanwhile: voiceagent events replay --sink")
    assert await outbox.stopped_sinks() == []


async def test_without_redis_it_says_where_to_ask(tmp_path) -> None:
    code, _, errors = await run_script("events", cwd=tmp_path, settings={"USE_REDIS": "false"})
    assert code == 2
    assert "USE_REDIS is not true here" in errors
    assert "GET /events" in errors
