"""`/records`: what the archive answers over HTTP, and what it says where it cannot."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from support.ingress import Ingress, StartIngress
from support.recorded_calls import ended, keep, turn
from support.waiting import wait_until

from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.keys import key_list, new_key

KEY = {"Authorization": "Bearer secret"}


@pytest.fixture
async def archive(records_url: str, start_ingress: StartIngress) -> AsyncIterator[Ingress]:
    """An ingress with an archive, in which there are three calls."""
    await keep(
        records_url,
        [ended(turn("t1", f"word{number} 🎉"), call_sid=f"CA{number}", hours=number) for number in range(3)],
    )
    async with start_ingress(events_database_url=records_url, api_key="secret") as ingress:
        ingress.client.headers.update(KEY)
        yield ingress


async def test_pages_lead_from_one_to_the_next(archive: Ingress) -> None:
    first = (await archive.client.get("/records", params={"limit": 2})).json()
    assert [record["call_sid"] for record in first["records"]] == ["CA2", "CA1"]
    second = (await archive.client.get("/records", params={"limit": 2, "cursor": first["next_cursor"]})).json()
    assert ([record["call_sid"] for record in second["records"]], second["next_cursor"]) == (["CA0"], None)


async def test_a_search_takes_all_filters_at_once(archive: Ingress) -> None:
    query = (
        "from=2026-09-01&to=2026-10-01&number=+15558675310&agent=echo&tenant=north&outcome=completed&text=word1&limit=5"
    )
    answer = await archive.client.get(f"/records?{query}")
    assert [record["call_sid"] for record in answer.json()["records"]] == ["CA1"]
    assert answer.headers["cache-control"] == "no-store"


async def test_one_record_is_shown_whole(archive: Ingress) -> None:
    record = (await archive.client.get("/records/CA1")).json()
    assert (record["status"], record["slots"], record["turns"]) == (
        "completed",
        {"name": "Ada"},
        [turn("t1", "word1 🎉")],
    )
    life = {"started_at": record["started_at"]}
    assert (await archive.client.get("/records/CA1", params=life)).json() == record
    for path in ("/records/CA9", "/records/CA1?started_at=2020-01-01"):
        answer = await archive.client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (404, "The archive has no record of that call.")


@pytest.mark.parametrize("accept", ["*/*", "application/jsonl"])
async def test_an_encrypted_archive_is_not_searched_for_words(
    records_url: str, start_ingress: StartIngress, accept: str
) -> None:
    key = new_key()
    await keep(records_url, [ended(turn("t1", "my words"), call_sid="CA1")], Cipher(key_list(key)))
    async with start_ingress(
        events_database_url=records_url, api_key="secret", state_encryption_keys=key, agent="echo"
    ) as ingress:
        ingress.client.headers.update(KEY | {"Accept": accept})
        refused = await ingress.client.get("/records", params={"text": "words"})
        assert (refused.status_code, refused.json()["type"]) == (501, "/problems/no-text-search")
        found = await ingress.client.get("/records", params={"number": "+15558675310"})
        assert '"+15558675310"' in found.text
        assert (await ingress.client.get("/records/CA1")).json()["turns"][0]["text"] == "my words"


@pytest.mark.parametrize("media_type", ["application/jsonl", "application/x-ndjson"])
async def test_an_export_is_lines_of_whole_records(archive: Ingress, media_type: str) -> None:
    accept = {"Accept": f"text/plain;q=0.1, {media_type}"}
    answer = await archive.client.get("/records", params={"text": "word1 or word2"}, headers=accept)
    assert answer.headers["content-type"] == media_type
    assert [json.loads(line)["turns"][0]["text"] for line in answer.text.splitlines()] == ["word2 🎉", "word1 🎉"]
    nothing = await archive.client.get("/records", params={"text": "nothing"}, headers=accept)
    assert (nothing.status_code, nothing.text) == (200, "")


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/records?cursor=x", 422, "cursor must be"), ("/records?limit=0", 422, "limit must be"),
        ("/records?from=x", 422, "from must be"), ("/records?form=x", 422, "no filter 'form'"),
        ("/records?text=%25", 422, "text must"), ("/records?number=%00", 422, "number must"),
        ("/records?agent=%ED%A0%80", 200, ""), ("/records/a%7Bb", 400, "A call SID"),
        ("/records/%ff", 400, "A call SID"),
        ("/records/CA1?started_at=x", 422, "started_at must be"), ("/records/a/b", 404, ""),
        ("/records?text=" + "x" * 300, 422, "at most 256"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("accept", ["*/*", "application/jsonl"])
async def test_what_is_wrong_is_told_in_one_line(archive, path: str, status: int, says: str, accept: str) -> None:
    answer = await archive.client.get(path, headers={"Accept": accept})
    assert answer.status_code == status
    assert says in answer.text
    assert answer.text.count("\n") <= 1


@pytest.mark.parametrize("path", ["/records", "/records/CA1"])
async def test_it_wants_the_key_of_the_api(archive: Ingress, path: str) -> None:
    answer = await archive.client.get(path, headers={"Authorization": "Bearer other"})
    assert answer.status_code == 401
    assert (await archive.client.post(path)).status_code == 405


@pytest.mark.parametrize("path", ["/records", "/records?limit=x", "/records/CA1"])
async def test_without_a_database_it_says_what_to_set(start_ingress: StartIngress, path: str) -> None:
    async with start_ingress() as ingress:
        answer = await ingress.client.get(path)
    assert answer.status_code == 501
    assert "EVENTS_DATABASE_URL" in answer.json()["error"]


@pytest.mark.parametrize("accept", ["*/*", "application/jsonl"])
async def test_a_database_that_is_away_is_told_and_harms_nothing_else(start_ingress: StartIngress, accept: str) -> None:
    pytest.importorskip("asyncpg", reason="wants the extra `postgres`")
    async with start_ingress(events_database_url="postgresql://u:hunter2@127.0.0.1:1/d") as ingress:
        answer = await ingress.client.get("/records", headers={"Accept": accept})
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
        assert "PostgreSQL does not answer" in answer.json()["error"]
        assert "hunter2" not in answer.text
        assert (await ingress.begin()).tag == "Response"
        assert (await ingress.client.get("/calls")).json()["count"] == 1
        assert (await ingress.client.get("/readyz")).status_code == 200


@pytest.mark.parametrize("accept", ["*/*", "application/jsonl"])
async def test_a_database_without_tables_is_told(postgres_url: str, start_ingress: StartIngress, accept: str) -> None:
    async with start_ingress(events_database_url=postgres_url) as ingress:
        answer = await ingress.client.get("/records", headers={"Accept": accept})
    assert answer.status_code == 503
    assert "voiceagent records migrate" in answer.json()["error"]


@pytest.mark.parametrize("accept", ["*/*", "application/jsonl"])
async def test_a_client_that_goes_away_ends_its_query(archive: Ingress, records: Any, records_url: str, accept) -> None:
    from orchestrator.records.archive import Archive
    from orchestrator.records.database import Database

    patient = Archive(Database(records_url, connections=1, answer_seconds=600), answer_seconds=600)
    archive.app.state.archive = patient
    blocker = records.transaction()
    await blocker.start()
    await records.execute("LOCK TABLE voiceagent_calls IN ACCESS EXCLUSIVE MODE")

    async def waiting() -> int:
        return await records.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation IS NOT NULL")

    async def is_waiting() -> bool:
        return await waiting() == 1

    async def is_over() -> bool:
        return await waiting() == 0

    request = asyncio.ensure_future(archive.client.get("/records", headers={"Accept": accept}))
    await wait_until(is_waiting, "the query waits for the lock")
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await wait_until(is_over, "the query has ended in the database")
    await blocker.rollback()
    await patient.close()


async def test_an_export_that_the_database_breaks_off_is_seen_to_be_broken_off(
    archive: Ingress, records: Any, records_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    long = "x" * 200_000
    await keep(records_url, [ended(turn("t1", long), call_sid=f"long{number}", hours=9) for number in range(100)])

    async def export() -> None:
        async with archive.client.stream("GET", "/records", headers={"Accept": "application/jsonl"}) as answer:
            assert answer.status_code == 200
            await records.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'voiceagent'"
            )
            async for _ in answer.aiter_lines():
                pass

    with pytest.raises(httpx.RemoteProtocolError):
        await export()
    assert "records.export_failed" in [getattr(entry, "action", "") for entry in caplog.records]
    assert len((await archive.client.get("/records")).json()["records"]) == 100


@pytest.mark.processes
def test_without_the_extra_a_process_stops_with_a_sentence() -> None:
    program = (
        "import sys; sys.modules['asyncpg'] = None\n"
        "import web.api.records, web.api.record_stream\n"
        "from orchestrator.events.sinks.factory import sinks_of\n"
        "from orchestrator.settings import Settings\n"
        "from web.app import create_app\n"
        "settings = Settings(_env_file=None, events_database_url='postgresql://u:hunter2@h/d')\n"
        "for build in (create_app, sinks_of):\n"
        "    try: build(settings)\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
        "create_app(Settings(_env_file=None))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    sentence = "BadSetting EVENTS_DATABASE_URL is set, and the package asyncpg is not installed: pip install"
    assert [line.startswith(sentence) for line in done.stdout.splitlines()] == [True, True]
    assert "hunter2" not in done.stdout + done.stderr


async def test_a_call_that_ends_is_in_the_archive(records_url: str, start_ingress: StartIngress) -> None:
    async with start_ingress(
        events_database_url=records_url, events="call.started,call.ended,turn.completed"
    ) as ingress:
        await ingress.begin()
        await ingress.twiml("/twilio/turn/1", SpeechResult="my knee")

        async def statuses() -> list[str]:
            return [record["status"] for record in (await ingress.client.get("/records")).json()["records"]]

        async def is_open() -> bool:
            return await statuses() == ["active"]

        async def is_over() -> bool:
            return await statuses() == ["completed"]

        await wait_until(is_open, "the call is in the archive while it lives")
        await ingress.post("/twilio/status", CallStatus="completed")
        await wait_until(is_over, "the call's end is in the archive")
        record = (await ingress.client.get(f"/records/{ingress.call_sid}")).json()
        assert [each["text"] for each in record["turns"]] == ["", "my knee", "completed"]
        assert record["turns"][1]["reply"]["text"] == "You said my knee."
        assert (await ingress.client.get("/records?text=knee")).json()["records"][0]["turns"] == 3
