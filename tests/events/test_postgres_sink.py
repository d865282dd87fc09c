"""The PostgreSQL sink: what becomes of each event, whoever delivers it and whatever happens to the server."""

import asyncio
import json
import multiprocessing
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
from support.postgres import PostgresServer
from support.recorded_calls import ended, event, turn
from support.waiting import wait_until

from orchestrator.events.event import Event
from orchestrator.events.sinks.sink import EventRefused, TryLater

pytest.importorskip("asyncpg", reason="wants the extra `postgres`")

from orchestrator.events.sinks.postgres import PostgresSink
from orchestrator.records.schema import migrate

BEGUN = "2026-09-21T14:13:20.123456Z"
LATER = "2026-09-22T08:00:00Z"


@pytest.fixture
async def sink(records_url: str) -> AsyncIterator[PostgresSink]:
    sink = PostgresSink(records_url)
    yield sink
    await sink.close()


async def rows(records: Any, table: str) -> list[dict[str, Any]]:
    order = {"calls": "call_sid, started_at", "turns": "call_sid, started_at, position", "events": "kept_at"}[table]
    found = [dict(row) for row in await records.fetch(f"SELECT * FROM voiceagent_{table} ORDER BY {order}")]
    return [{**row, "data": json.loads(row["data"]) if row["data"] else None} for row in found]


async def test_a_call_is_open_from_its_first_event_and_complete_after_its_last(sink, records) -> None:
    head = {"channel": "gather", "from_number": "+15558675310", "started_at": BEGUN}
    await sink.deliver(event("call.started", **head))
    [call] = await rows(records, "calls")
    assert (call["status"], call["ended_at"], call["from_number"]) == ("active", None, "+15558675310")
    record = ended(turn("t1"), turn("t2", timings={"claimed": 3}), mood="merry")
    await sink.deliver(record)
    [call] = await rows(records, "calls")
    assert (call["status"], call["duration_seconds"], call["turns"]) == ("completed", 3600.0, 2)
    assert (call["tenant"], call["worker_version"]) == ("north", "7")
    assert call["data"] == {name: value for name, value in record.data.items() if name != "turns"}
    turns = await rows(records, "turns")
    assert [each["data"] for each in turns] == record.data["turns"]
    assert [(each["position"], each["turn_id"], each["outcome"]) for each in turns] == [
        (0, "t1", "replied"), (1, "t2", "replied"),
    ]  # fmt: skip


async def test_what_the_record_has_is_not_kept_a_second_time(sink, records) -> None:
    await sink.deliver(event("turn.completed", **turn("t1")))
    await sink.deliver(event("call.started", started_at=BEGUN))
    await sink.deliver(event("turn.completed", **turn("t1")))
    await sink.deliver(ended(turn("t1")))
    kept = [(each["type"], each["data"] is None) for each in await rows(records, "events")]
    assert kept == [("turn.completed", False), ("call.started", False), ("turn.completed", True), ("call.ended", True)]


async def test_turns_are_there_while_the_call_lives_and_the_record_replaces_them(sink, records) -> None:
    await sink.deliver(event("call.started", started_at=BEGUN))
    first = event("turn.completed", **turn("t1", "one"))
    for each in (first, event("turn.completed", **turn("t2", "two")), first, event("turn.completed", **turn("t1"))):
        await sink.deliver(each)
    assert [each["data"] for each in await rows(records, "turns")] == [turn("t1", "one"), turn("t2", "two")]
    assert [call["turns"] for call in await rows(records, "calls")] == [2]
    await sink.deliver(ended(turn("t2", "2")))
    assert [each["data"] for each in await rows(records, "turns")] == [turn("t2", "2")]


async def test_a_partial_record_keeps_the_turns_that_it_has_lost(sink, records) -> None:
    await sink.deliver(event("call.started", started_at=BEGUN))
    for name in ("t1", "t2"):
        await sink.deliver(event("turn.completed", **turn(name, "told")))
    await sink.deliver(ended(turn("t2", "kept"), turn("t3", "kept"), partial=True, ended_at=None, status="expired"))
    texts = [(each["turn_id"], each["data"]["text"]) for each in await rows(records, "turns")]
    assert texts == [("t1", "told"), ("t2", "kept"), ("t3", "kept")]
    [call] = await rows(records, "calls")
    assert (call["partial"], call["status"], call["turns"], call["ended_at"] is None) == (True, "expired", 3, False)


async def test_a_partial_record_does_not_replace_a_whole_one_and_is_replaced_by_it(sink, records) -> None:
    await sink.deliver(ended(partial=True, status="expired"))
    await sink.deliver(ended(turn("t1")))
    await sink.deliver(ended(partial=True, status="expired"))
    [call] = await rows(records, "calls")
    assert (call["status"], call["partial"], call["turns"]) == ("completed", False, 1)
    assert len(await rows(records, "turns")) == 1


async def test_an_event_that_comes_again_undoes_nothing_that_came_after_it(sink, records) -> None:
    first, second = ended(turn("t1", "first")), ended(turn("t1", "second"))
    for each in (first, second, first):
        await sink.deliver(each)
    assert [each["data"]["text"] for each in await rows(records, "turns")] == ["second"]


async def test_a_start_that_comes_late_opens_no_call_again(sink, records) -> None:
    await sink.deliver(ended(turn("t1")))
    await sink.deliver(event("call.started", started_at=BEGUN))
    await sink.deliver(event("turn.completed", **turn("t1")))
    assert [call["status"] for call in await rows(records, "calls")] == ["completed"]
    assert len(await rows(records, "turns")) == 1


async def test_lives_of_one_sid_are_calls_of_their_own(sink, records) -> None:
    await sink.deliver(ended(turn("t1", "first life")))
    await sink.deliver(ended(turn("t1", "second life"), started_at=LATER))
    await sink.deliver(event("turn.completed", **turn("t2", "of the latest")))
    assert len(await rows(records, "calls")) == 2
    texts = [each["data"]["text"] for each in await rows(records, "turns")]
    assert texts == ["first life", "second life", "of the latest"]


@pytest.mark.parametrize(
    ("data", "column"),
    [
        ({"slots": {"a": "nul\x00"}}, "data"),
        ({"phase": "half \ud83d pair"}, "phase"),
        ({"from_number": "".join(map(str, range(20_000)))}, "from_number"),
        ({"duration_seconds": float("inf")}, "duration_seconds"),
        ({"duration_seconds": 10**400}, "duration_seconds"),
        ({"reason": {"not": "text"}}, "reason"),
        ({"turns": "none"}, "turns"),
        ({"turns": ["odd", None, 5, {"text": 7, "reply": "x", "turn_id": ["t"]}]}, "turns"),
        ({"started_at": "yesterday"}, "started_at"),
        ({"started_at": "0001-01-01T00:00:00+23:59"}, "started_at"),
        ({"ended_at": 5, "status": None, "slots": None}, "status"),
        ({"agent": "'; DROP TABLE voiceagent_calls; --"}, "agent"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_odd_fields_of_a_record_cost_nothing_but_themselves(sink, records, data, column) -> None:
    await sink.deliver(ended(**data))
    [call] = await rows(records, "calls")
    assert (call["call_sid"], call["to_number"]) == ("CA1", "+15551234567")


async def test_what_postgresql_cannot_hold_is_kept_as_its_escape(sink, records) -> None:
    await sink.deliver(ended(turn("t1", "a\x00b \ud83d c \\u0000 🎉"), slots={"\x00": 1}))
    [kept] = await rows(records, "turns")
    assert kept["data"]["text"] == "a\\u0000b \\ud83d c \\u0000 🎉"
    assert await records.fetchval("SELECT data->'slots' FROM voiceagent_calls") == '{"\\\\u0000": 1}'


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "data",
    [
        {"call_sid": "x" * 300_000},
        {"call_sid": None},
        {"slots": {"deep": nested(50_000)}},
        {"slots": {"long": "x" * (17 << 20)}},
        {"slots": {"number": 10**200_000}},
        {"slots": {"object": object()}},
    ],
    ids=["long sid", "no sid", "deep", "large", "long number", "no json"],
)
async def test_what_can_never_be_kept_is_refused_at_once(sink, records, data) -> None:
    with pytest.raises(EventRefused) as caught:
        await sink.deliver(ended().model_copy(update={"data": {**ended().data, **data}}))
    assert "xxx" not in str(caught.value)
    await sink.deliver(ended(turn("t1")))
    assert len(await rows(records, "calls")) == 1


async def test_a_number_of_the_event_that_no_column_holds_is_refused(sink) -> None:
    with pytest.raises(EventRefused, match="DataError"):
        await sink.deliver(event("message.sent", seq=2**70))


async def test_any_call_can_be_searched_however_much_was_said(sink, records) -> None:
    words = " ".join(f"https://h{number}.example/p-{number}-q-{number}?a=b" for number in range(20_000))
    await sink.deliver(ended(turn("t1", words)))
    assert await records.fetchval("SELECT length(words) > 1000 FROM voiceagent_calls")


async def test_an_erased_call_leaves_no_word_and_takes_none(sink, records) -> None:
    await sink.deliver(event("call.started", started_at=BEGUN, note="secret"))
    await sink.deliver(event("call.transferred", reason="secret"))
    await sink.deliver(ended(turn("t1", "secret")))
    other_life = ended(turn("t1", "public"), started_at=LATER)
    await sink.deliver(other_life)
    erased = event("call.erased", started_at=BEGUN)
    await sink.deliver(erased)
    await sink.deliver(erased)
    for late in (ended(turn("t1", "secret")), event("call.started", started_at=BEGUN, note="secret")):
        with pytest.raises(EventRefused, match="was erased"):
            await sink.deliver(late)
    everything = [await rows(records, table) for table in ("calls", "turns", "events")]
    assert "secret" not in str(everything)
    assert [call["data"]["started_at"] for call in everything[0]] == [LATER]
    assert [(each["type"], each["call_sid"]) for each in everything[2]] == [
        ("call.ended", "CA1"),
        ("call.erased", None),
    ]


async def test_an_erasure_that_names_no_life_erases_all_until_then(sink, records) -> None:
    await sink.deliver(ended(turn("t1")))
    await sink.deliver(ended(turn("t1"), started_at="2026-09-21T14:13:21Z"))
    await sink.deliver(event("call.erased"))
    assert await rows(records, "calls") == []
    with pytest.raises(EventRefused):
        await sink.deliver(ended(turn("t1")))


async def test_without_tables_events_wait_and_the_log_says_once_what_to_do(postgres_url, caplog) -> None:
    sink = PostgresSink(postgres_url)
    for _ in range(2):
        with pytest.raises(TryLater, match="voiceagent records migrate"):
            await sink.deliver(ended())
    assert [entry.action for entry in caplog.records if hasattr(entry, "action")] == ["records.not_migrated"]
    await migrate(postgres_url)
    await sink.deliver(ended())
    await sink.close()


async def test_tables_that_vanish_are_waited_for(sink, records) -> None:
    await sink.deliver(ended())
    await records.execute("DROP TABLE voiceagent_turns, voiceagent_calls, voiceagent_events, voiceagent_migrations")
    for _ in range(2):
        with pytest.raises(TryLater, match="voiceagent records migrate"):
            await sink.deliver(ended())


@pytest.mark.parametrize(
    "address", ["postgresql://u:hunter2@127.0.0.1:1/d", "postgresql://nobody:hunter2@{}/nowhere?sslmode=disable"]
)
async def test_a_database_that_cannot_be_used_is_tried_again_and_its_password_not_shown(
    shared_postgres, address
) -> None:
    sink = PostgresSink(address.format(f"127.0.0.1:{shared_postgres.port}"))
    with pytest.raises(TryLater) as caught:
        await sink.deliver(ended())
    assert "hunter2" not in str(caught.value)
    assert "PostgreSQL" in str(caught.value)
    await sink.close()


@pytest.mark.parametrize(
    ("how", "later"),
    [
        ("RAISE EXCEPTION USING ERRCODE = 'disk_full'", True),
        ("RAISE EXCEPTION USING ERRCODE = 'too_many_connections'", True),
        ("RAISE EXCEPTION USING ERRCODE = 'deadlock_detected'", True),
        ("RAISE EXCEPTION USING ERRCODE = 'serialization_failure'", True),
        ("RAISE EXCEPTION USING ERRCODE = 'admin_shutdown'", True),
        ("RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege'", True),
        ("RAISE EXCEPTION USING ERRCODE = 'internal_error'", True),
        ("PERFORM pg_sleep(30)", True),
        ("PERFORM pg_terminate_backend(pg_backend_pid())", True),
        ("RAISE EXCEPTION USING ERRCODE = 'check_violation'", False),
        ("RAISE EXCEPTION USING ERRCODE = 'program_limit_exceeded'", False),
        ("RAISE EXCEPTION USING ERRCODE = 'invalid_text_representation'", False),
    ],
)
async def test_a_failure_that_may_pass_is_tried_again_and_no_other(records_url, records, how: str, later: bool) -> None:
    await records.execute(
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {how}; RETURN NEW; END $$; "
        "CREATE TRIGGER failing BEFORE INSERT ON voiceagent_calls FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    sink, failing = PostgresSink(records_url), PostgresSink(records_url, answer_seconds=0.5 if "sleep" in how else 60)
    told = ended(turn("t1"))
    with pytest.raises(TryLater if later else EventRefused):
        await failing.deliver(told)
    await failing.close()
    await records.execute("DROP TRIGGER failing ON voiceagent_calls")
    assert await rows(records, "events") == [], "written whole or not at all"
    await sink.deliver(told)
    assert len(await rows(records, "turns")) == 1
    await sink.close()


async def test_a_cancelled_delivery_ends_its_statement(records_url, records) -> None:
    sink = PostgresSink(records_url, answer_seconds=600)
    await records.execute(
        "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(600); RETURN NEW; END $$;"
        "CREATE TRIGGER waiting BEFORE INSERT ON voiceagent_calls FOR EACH ROW EXECUTE FUNCTION wait()"
    )

    async def busy() -> int:
        return await records.fetchval(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'voiceagent' AND state = 'active'"
        )

    async def is_waiting() -> bool:
        return await busy() == 1

    async def is_over() -> bool:
        return await busy() == 0

    delivery = asyncio.ensure_future(sink.deliver(ended()))
    await wait_until(is_waiting, "the statement runs")
    delivery.cancel()
    await asyncio.gather(delivery, return_exceptions=True)
    await wait_until(is_over, "the server has stopped the statement")
    await records.execute("DROP TRIGGER waiting ON voiceagent_calls")
    await sink.deliver(ended())
    await sink.close()


async def test_waiting_for_a_connection_is_no_failure_of_the_database(records_url, records) -> None:
    sink = PostgresSink(records_url, connections=1, connect_seconds=0.1)
    while not await rows(records, "calls"):
        with suppress(TryLater):
            await sink.deliver(ended())
    blocker = records.transaction()
    await blocker.start()
    await records.execute("LOCK TABLE voiceagent_calls IN ACCESS EXCLUSIVE MODE")
    deliveries = [asyncio.ensure_future(sink.deliver(ended(call_sid=f"CB{number}"))) for number in range(3)]
    done, _ = await asyncio.wait(deliveries, timeout=0.3, return_when=asyncio.FIRST_COMPLETED)
    await blocker.rollback()
    await asyncio.gather(*deliveries)
    assert not done
    assert len(await rows(records, "calls")) == 4
    await sink.close()


async def test_a_long_record_is_prepared_while_other_work_goes_on(sink, records) -> None:
    begun, others = threading.Event(), threading.Event()

    class Slots(dict[str, Any]):
        def items(self) -> Any:
            begun.set()
            assert others.wait(20), "nothing else runs meanwhile"
            return super().items()

    delivery = asyncio.ensure_future(sink.deliver(ended(turn("t1"), slots=Slots(name="Ada"))))
    await wait_until(begun.is_set, "the record is being prepared")
    others.set()
    await delivery
    assert len(await rows(records, "turns")) == 1


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    with PostgresServer() as server:
        yield server


@pytest.mark.processes
async def test_a_server_that_is_restarted_amid_deliveries_gets_each_event_once(
    shared_postgres, own_postgres: PostgresServer
) -> None:
    await migrate(own_postgres.dsn)
    sink = PostgresSink(own_postgres.dsn)
    told = [ended(turn("t1"), call_sid=f"CA{number}") for number in range(60)]
    delivered = 0

    async def deliver_all(events: list[Event]) -> None:
        nonlocal delivered
        for each in events:
            while True:
                try:
                    await sink.deliver(each)
                    break
                except TryLater:
                    await asyncio.sleep(0.01)
            delivered += 1

    work = asyncio.gather(*(deliver_all(told[start::6]) for start in range(6)))
    for share in (10, 30):
        await wait_until(lambda share=share: delivered >= share, f"{share} events were delivered")
        own_postgres.stop()
        own_postgres.start()
    await work
    await sink.close()
    import asyncpg

    connection = await asyncpg.connect(own_postgres.dsn)
    counts = [
        await connection.fetchval(f"SELECT count(*) FROM voiceagent_{name}") for name in ("calls", "turns", "events")
    ]
    await connection.close()
    assert counts == [60, 60, 60]


def deliver_in_a_process(url: str, told: list[str]) -> None:
    async def deliver() -> None:
        sink = PostgresSink(url)
        await asyncio.gather(*(sink.deliver(Event.model_validate_json(each)) for each in told))
        await sink.close()

    asyncio.run(deliver())


@pytest.mark.processes
async def test_two_processes_that_deliver_the_same_keep_it_once(records_url, records) -> None:
    calls = [f"CA{number}" for number in range(10)]
    told = [event("call.started", call, started_at=BEGUN) for call in calls]
    told += [event("turn.completed", call, **turn(name)) for call in calls for name in ("t1", "t2")]
    texts = [each.model_dump_json() for each in told]
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=deliver_in_a_process, args=(records_url, order)) for order in (texts, texts[::-1])]
    for worker in workers:
        worker.start()
    for worker in workers:
        await asyncio.to_thread(worker.join, 60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    assert len(await rows(records, "events")) == len(told)
    assert len(await rows(records, "calls")) == 10
