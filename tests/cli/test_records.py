"""`voiceagent records`: what it shows of the archive, and how it makes the tables."""

import json
from pathlib import Path

import pytest
from starlette.responses import JSONResponse, Response
from support.ingress import started_ingress
from support.recorded_calls import BEGUN, ended, keep, turn, written
from support.terminal import run_script
from support.twiml_server import serve_twiml

pytest.importorskip("asyncpg", reason="wants the extra `postgres`")

from orchestrator.records.schema import MIGRATIONS, NEWEST, Migration, migrate

pytestmark = pytest.mark.processes


async def test_records_are_listed_shown_and_exported(tmp_path: Path, records_url: str) -> None:
    first = ended(turn("t1", "a knee\x1b[2J", reply={"text": "Which one?"}, heard="Which"), call_sid="CA1")
    second = ended(turn("t1"), call_sid="CA2", hours=1, agent=None, duration_seconds=None)
    await keep(records_url, [first, second])
    async with started_ingress(events_database_url=records_url) as ingress:

        async def records(*arguments: str) -> list[str]:
            code, output, errors = await run_script("records", *arguments, "--url", ingress.url, cwd=tmp_path)
            assert (code, errors) == (0, "")
            return output.splitlines()

        heading, newest, oldest = await records()
        assert heading.split() == ["CALL", "BEGAN", "SECONDS", "FROM", "TO", "AGENT", "TURNS", "OUTCOME"]
        assert newest.split() == [
            "CA2", "2026-09-21", "15:13:20", "-", "+15558675310", "+15551234567", "-", "1", "completed",
        ]  # fmt: skip
        assert oldest.split()[0] == "CA1"
        *_, more = await records("list", "--limit", "1")
        assert [line.split()[0] for line in (await records(*more.removeprefix("More: ").split()))[1:]] == ["CA1"]
        assert [line.split()[0] for line in (await records("--text", "knee"))[1:]] == ["CA1"]
        assert await records("--number", "+1") == ["No records."]
        shown = await records("show", "CA1", "--started-at", written(BEGUN))
        assert shown[2:6] == ["you   › a knee\\x1b[2J", "agent › Which", "        (cut off here)", ""]
        assert shown[-2:] == ["name: Ada", "The call ended: completed."]
        assert json.loads("\n".join(await records("show", "CA1", "--json"))) == first.data
        lines = await records("export", "--from", "2026-09-21")
        assert [json.loads(line)["call_sid"] for line in lines] == ["CA2", "CA1"]
        assert json.loads(lines[1]) == first.data


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--limit", "0"], "limit must be a number"),
        (["--from", "x"], "from must be a time"),
        (["show"], "Say which call"),
        (["show", "CA9"], "There is no archive of records here"),
        ([], "There is no archive of records here"),
        (["export"], "There is no archive of records here"),
    ],
)
async def test_what_cannot_be_shown_is_told(tmp_path: Path, arguments: list[str], sentence: str) -> None:
    async with started_ingress() as ingress:
        code, output, errors = await run_script("records", *arguments, "--url", ingress.url, cwd=tmp_path)
    assert (code, output) == (1, "")
    assert errors.startswith(f"voiceagent: {sentence}")


async def test_a_record_of_another_shape_is_shown_as_json(tmp_path: Path) -> None:
    record = {"call_sid": "CA1", "started_at": "2026-01-01T00:00:00Z", "status": "active", "turns": ["odd"]}
    async with serve_twiml({"/records/CA1": JSONResponse(record)}) as server:
        code, output, _ = await run_script("records", "show", "CA1", "--url", server.url, cwd=tmp_path)
    assert (code, json.loads(output)) == (0, record)


async def test_an_export_that_is_broken_off_fails(tmp_path: Path) -> None:
    answer = Response("{}\n", headers={"content-length": "100"})
    async with serve_twiml({"/records": answer}) as server:
        code, _, errors = await run_script("records", "export", "--url", server.url, cwd=tmp_path)
    assert code == 1
    assert "failed" in errors


async def test_the_tables_are_made_by_a_command(tmp_path: Path, postgres_url: str) -> None:
    settings = {"EVENTS_DATABASE_URL": postgres_url}
    code, output, _ = await run_script("records", "migrate", cwd=tmp_path, settings=settings)
    sentence = f"The tables are at version {NEWEST}, which is this program's."
    applied = ["Applied 0001 calls_turns_events.", "Applied 0002 events_by_time."]
    assert (code, output.splitlines()) == (0, [*applied, sentence])
    code, output, _ = await run_script("records", "migrate", cwd=tmp_path, settings=settings)
    assert (code, output.splitlines()) == (0, [sentence])
    code, output, _ = await run_script("records", "migrate", "--json", cwd=tmp_path, settings=settings)
    assert (code, json.loads(output)) == (0, {"applied": [], "version": NEWEST, "version_of_this_program": NEWEST})
    await migrate(postgres_url, (*MIGRATIONS, Migration(NEWEST + 1, "next", "SELECT 1")))
    code, output, _ = await run_script("records", "migrate", cwd=tmp_path, settings=settings)
    assert code == 0
    assert f"at version {NEWEST + 1}, and this program knows version {NEWEST}" in output


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "There is no archive of records here."),
        ("postgresql://u:hunter2@127.0.0.1:1/d", "PostgreSQL does not answer"),
    ],
)
async def test_tables_that_cannot_be_made_are_told(tmp_path: Path, url: str, sentence: str) -> None:
    code, output, errors = await run_script(
        "records", "migrate", cwd=tmp_path, settings={"EVENTS_DATABASE_URL": url} if url else {}
    )
    assert (code, output) == (1, "")
    assert errors.startswith(f"voiceagent: {sentence}")
    assert "hunter2" not in errors
