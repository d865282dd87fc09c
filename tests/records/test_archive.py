"""The archive: what it finds, page by page and whole, while others write."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from support.postgres import PostgresServer
from support.recorded_calls import BEGUN, ended, event, keep, turn, written
from support.waiting import wait_until

pytest.importorskip("asyncpg", reason="wants the extra `postgres`")

from orchestrator.encryption.cipher import NO_CIPHER
from orchestrator.errors import ArchiveNotMigrated, ArchiveUnavailable, UnknownRecord
from orchestrator.records.archive import NEWEST_FIRST, PART_CHARACTERS, Archive, conditions
from orchestrator.records.database import Database
from orchestrator.records.record_query import record_query
from orchestrator.records.record_shape import FIRST_FIELDS
from orchestrator.records.sealed_rows import SealedRows
from orchestrator.tasks import cancel_and_wait


@pytest.fixture
async def archive(records_url: str) -> AsyncIterator[Archive]:
    archive = Archive(Database(records_url, connections=3))
    yield archive
    await archive.close()


async def found(archive: Archive, **given: str) -> list[str]:
    query = record_query({name.removesuffix("_"): value for name, value in given.items()})
    return [record["call_sid"] for record in (await archive.page(query)).records]


async def exported(archive: Archive, **given: str) -> list[dict[str, Any]]:
    async with contextlib.aclosing(archive.export(record_query(given))) as parts:
        return [json.loads(line) for part in [part async for part in parts] for line in part]


async def test_each_filter_finds_its_calls_newest_first(archive: Archive, records_url: str) -> None:
    told = [
        ended(call_sid="CA1"),
        ended(call_sid="CA2", hours=1, from_number="+1999", tenant="south", agent="night"),
        ended(call_sid="CA3", hours=2, to_number="+1999", status="no-answer"),
        event("call.started", "CA4", started_at=written(BEGUN + timedelta(hours=3))),
    ]
    await keep(records_url, told)
    assert await found(archive) == ["CA4", "CA3", "CA2", "CA1"]
    assert await found(archive, number="+1999") == ["CA3", "CA2"]
    assert await found(archive, tenant="south") == await found(archive, agent="night") == ["CA2"]
    assert await found(archive, outcome="no-answer") == ["CA3"]
    assert await found(archive, outcome="active") == ["CA4"]
    assert await found(archive, from_=written(BEGUN + timedelta(hours=1)), to=written(BEGUN + timedelta(hours=3))) == [
        "CA3", "CA2",
    ]  # fmt: skip
    assert await found(archive, call_sid="CA2") == ["CA2"]
    assert await found(archive, number="+1999", outcome="completed", text="nothing") == []


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("knee", ["CA1"]), ("KNEE appointment", ["CA1"]), ("äpfel", ["CA2"]), ('"an appointment"', ["CA2", "CA1"]),
        ('"appointment an"', []), ("appointment -knee", ["CA2"]), ("knee or ÄPFEL", ["CA2", "CA1"]), ("kn", []),
        ("100%", ["CA3"]), ("a_b", ["CA3"]), ("O'Hara", ["CA3"]), ("x') OR 1=1 --", []),
        ("said & !", ["CA3", "CA2", "CA1"]),
        ("you:* | (", ["CA3", "CA2", "CA1"]), ("\u2019x", []), ("5551234", ["CA3"]),
    ],
)  # fmt: skip
async def test_words_are_found_whoever_said_them(archive, records_url, text: str, calls: list[str]) -> None:
    told = [
        ended(turn("t1", "An appointment about my knee"), call_sid="CA1"),
        ended(turn("t1", "an Appointment"), turn("t2", reply={"text": "Äpfel\x00"}), call_sid="CA2", hours=1),
        ended(turn("t1", "100% of a_b, O'Hara; 5551234"), call_sid="CA3", hours=2),
    ]
    await keep(records_url, told)
    assert await found(archive, text=text) == calls


async def plan_of(records: Any, **given: str) -> str:
    where, values = conditions(record_query(given), SealedRows(NO_CIPHER))
    rows = await records.fetch(
        f"EXPLAIN SELECT call_sid FROM voiceagent_calls {where} {NEWEST_FIRST} LIMIT 101", *values
    )
    return "\n".join(row[0] for row in rows)


async def test_a_search_reads_an_index(archive: Archive, records: Any) -> None:
    await records.execute(
        "INSERT INTO voiceagent_calls (call_sid, started_at, from_number, agent, tenant, words, data) "
        "SELECT 'CA' || n, now() + n * interval '1 second', 'f' || n, 'a' || n % 100, 'n' || n % 100, "
        "to_tsvector('simple', 'word' || n), '{}' FROM generate_series(1, 20000) n"
    )
    await records.execute("VACUUM ANALYZE voiceagent_calls")
    assert "voiceagent_calls_words" in await plan_of(records, text="word77")
    assert "voiceagent_calls_from" in await plan_of(records, number="f77")
    assert "voiceagent_calls_agent" in await plan_of(records, agent="a7")
    assert "voiceagent_calls_tenant" in await plan_of(records, tenant="n7")
    assert "voiceagent_calls_status" in await plan_of(records, outcome="busy")
    assert "voiceagent_calls_pkey" in await plan_of(records, call_sid="CA7")
    second = (await archive.page(record_query({"limit": "5"}))).cursor or ""
    plan = await plan_of(records, cursor=second)
    assert "voiceagent_calls_newest" in plan
    assert "Sort" not in plan


async def test_a_walk_by_cursor_sees_each_call_once_while_others_are_written(
    archive: Archive, records_url: str
) -> None:
    there = [f"CA{number:03}" for number in range(40)]
    await keep(records_url, [ended(call_sid=call, hours=index // 4) for index, call in enumerate(there)])
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        new = f"new{len(seen)}"
        await keep(records_url, [ended(call_sid=new, hours=100), ended(call_sid=f"old{len(seen)}", hours=-1)])
        page = await archive.page(record_query({"limit": "7", "cursor": cursor}))
        seen += [record["call_sid"] for record in page.records]
        cursor = page.cursor
        if len(seen) > 100:
            break
    newest_first = sorted(there, key=lambda call: (int(call[2:]) // 4, call), reverse=True)
    assert [call for call in seen if call.startswith("CA")] == newest_first
    assert len(set(seen)) == len(seen)


async def test_a_summary_has_the_columns_and_how_many_turns(archive: Archive, records_url: str) -> None:
    await keep(records_url, [ended(turn("t1"), turn("t2"))])
    [summary] = (await archive.page(record_query({}))).records
    assert summary == {
        "call_sid": "CA1", "started_at": "2026-09-21T14:13:20.123456Z", "ended_at": "2026-09-21T15:13:20.123456Z",
        "duration_seconds": 3600.0, "status": "completed", "reason": "", "channel": "gather", "direction": "inbound",
        "from_number": "+15558675310", "to_number": "+15551234567", "agent": "echo", "tenant": "north",
        "worker_version": "7", "phase": "done", "partial": False, "turns": 2,
    }  # fmt: skip


async def test_a_record_is_what_its_event_told(archive: Archive, records_url: str) -> None:
    record = ended(turn("t1", timings={"claimed": 3}), turn("t2"), mood={"merry": [1.5, None]})
    await keep(records_url, [record])
    found = json.loads(await archive.record("CA1"))
    assert found == record.data
    assert [next(iter(found)), list(found)[-1]] == ["call_sid", "turns"]


async def test_a_record_has_the_fields_of_its_columns_first_and_any_text(archive: Archive, records_url: str) -> None:
    odd = {'"quoted"\n\\': "é🎉\u2028\n\t\x7f", "Z": 10**20, "a": [1e-9, "x: {}"], "ä": None}
    await keep(records_url, [ended(turn("t1", "line\nline"), **odd)])
    await keep(records_url, [event("turn.completed", "CA2", **turn("t1"), started_at="2026-09-21T14:13:20Z")])
    found = json.loads(await archive.record("CA1"))
    assert list(found)[:3] == [name for name in FIRST_FIELDS if name in found][:3]
    rest = [name for name in found if name not in FIRST_FIELDS]
    assert rest == [*sorted(name for name in rest if name != "turns"), "turns"]
    assert {name: found[name] for name in odd} == odd
    bare = json.loads(await archive.record("CA2"))
    assert (bare["call_sid"], bare["started_at"], bare["status"]) == ("CA2", "2026-09-21T14:13:20Z", "active")


async def test_an_export_gives_out_large_records_one_at_a_time_and_lets_others_go_on(
    archive: Archive, records_url: str
) -> None:
    text = "x" * (PART_CHARACTERS // 2)
    await keep(records_url, [ended(turn("t1", text), turn("t2", text), call_sid=f"CA{number}") for number in range(5)])
    others = 0

    async def other_work() -> None:
        nonlocal others
        while True:
            others += 1
            await asyncio.sleep(0)

    working = asyncio.create_task(other_work())
    seen: list[tuple[int, int]] = []
    async with contextlib.aclosing(archive.export(record_query({}))) as parts:
        async for part in parts:
            seen.append((len(part), others))
    await cancel_and_wait(working)
    assert [count for count, _ in seen] == [1] * 5
    assert all(before < after for (_, before), (_, after) in itertools.pairwise(seen)), "nothing else ran between"


async def test_of_several_lives_the_latest_is_shown_or_the_one_that_is_named(
    archive: Archive, records_url: str
) -> None:
    await keep(records_url, [ended(turn("t1", "first")), ended(turn("t1", "second"), hours=1)])
    assert json.loads(await archive.record("CA1"))["turns"][0]["text"] == "second"
    assert json.loads(await archive.record("CA1", BEGUN))["turns"][0]["text"] == "first"
    for life in (None, BEGUN + timedelta(hours=5)):
        with pytest.raises(UnknownRecord):
            await archive.record("CA2" if life is None else "CA1", life)


async def test_a_call_that_is_open_is_shown_as_far_as_it_got(archive: Archive, records_url: str) -> None:
    await keep(records_url, [event("call.started", started_at=written(BEGUN)), event("turn.completed", **turn("t1"))])
    record = json.loads(await archive.record("CA1"))
    assert (record["status"], record["turns"]) == ("active", [turn("t1")])


async def test_an_export_is_whole_and_of_one_moment(archive: Archive, records_url: str) -> None:
    await keep(records_url, [ended(turn("t1"), call_sid=f"CA{number:03}", hours=number) for number in range(50)])
    lines: list[str] = []
    async with contextlib.aclosing(archive.export(record_query({}))) as parts:
        async for part in parts:
            assert len(part) <= 20
            if not lines:
                await keep(records_url, [ended(call_sid="new", hours=-1)])
            lines += part
    assert [json.loads(line)["call_sid"] for line in lines] == [f"CA{number:03}" for number in reversed(range(50))]
    assert all(line.endswith("}\n") and line.count("\n") == 1 for line in lines)
    assert len(await exported(archive, limit="3")) == 3
    assert (await exported(archive, text="said"))[0]["turns"] == [turn("t1")]


async def test_of_too_many_exports_the_next_is_refused_and_pages_are_still_read(
    archive: Archive, records_url: str
) -> None:
    await keep(records_url, [ended(call_sid=f"CA{number:03}", hours=number) for number in range(50)])
    running = [archive.export(record_query({})) for _ in range(2)]
    for export in running:
        await anext(export)
    with pytest.raises(ArchiveUnavailable, match="exports are running"):
        await exported(archive)
    assert len(await found(archive)) == 50
    for export in running:
        await export.aclose()
    assert len(await exported(archive)) == 50


async def test_a_search_that_is_cancelled_ends_in_the_database(
    archive: Archive, records: Any, records_url: str
) -> None:
    await keep(records_url, [ended()])
    blocker = records.transaction()
    await blocker.start()
    await records.execute("LOCK TABLE voiceagent_calls IN ACCESS EXCLUSIVE MODE")

    async def waiting() -> int:
        return await records.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted")

    async def is_waiting() -> bool:
        return await waiting() == 1

    async def is_over() -> bool:
        return await waiting() == 0

    search = asyncio.ensure_future(archive.page(record_query({})))
    await wait_until(is_waiting, "the search waits for the lock")
    search.cancel()
    await asyncio.gather(search, return_exceptions=True)
    await wait_until(is_over, "the search has ended in the database")
    await blocker.rollback()
    assert await found(archive) == ["CA1"]
    await archive.close()


async def test_without_tables_it_says_what_to_run(postgres_url: str) -> None:
    archive = Archive(Database(postgres_url, connections=1))
    for attempt in (archive.page(record_query({})), archive.record("CA1"), exported(archive)):
        with pytest.raises(ArchiveNotMigrated, match="voiceagent records migrate"):
            await attempt
    await archive.close()


@pytest.mark.processes
async def test_a_server_that_goes_away_is_told_and_used_again_once_it_is_back(shared_postgres: PostgresServer) -> None:
    from orchestrator.records.schema import migrate

    with PostgresServer() as server:
        await migrate(server.dsn)
        await keep(server.dsn, [ended()])
        archive = Archive(Database(server.dsn, connections=2))
        assert await found(archive) == ["CA1"]
        server.stop()
        with pytest.raises(ArchiveUnavailable):
            await found(archive)
        server.start()

        async def is_back() -> bool:
            with contextlib.suppress(ArchiveUnavailable):
                return await found(archive) == ["CA1"]
            return False

        await wait_until(is_back, "the archive is read again")
        await archive.close()
