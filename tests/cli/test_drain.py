"""`voiceagent drain`: which workers are told, and what is said until they have ended."""

import json
from pathlib import Path

import pytest
from redis.asyncio import Redis
from support.programs import programs
from support.reported_workers import report_process
from support.terminal import run_script
from support.waiting import wait_until

from orchestrator import clock
from orchestrator.cli.drain_progress import DrainProgress
from orchestrator.errors import UnknownProcess
from orchestrator.processes.drain import all_of, chosen
from orchestrator.processes.redis.reports import list_processes
from orchestrator.processes.report import processes_of
from orchestrator.redis import keys

NOW = clock.now()
REPORTS = {
    "ab12": {"seen_at": NOW, "host": "anna", "pid": 7, "version": "v1"},
    "ab34": {"seen_at": NOW, "host": "anna", "pid": 8, "version": "v2"},
    "cd": {"seen_at": NOW, "host": "bert", "pid": 7, "version": "v1"},
    "ef": {"seen_at": NOW - 60, "host": "bert", "pid": 9, "version": "v1"},
    "i1": {"seen_at": NOW, "role": "ingress", "host": "anna", "pid": 9, "version": "v1"},
}
PROCESSES = processes_of(REPORTS, NOW)


@pytest.mark.parametrize(
    ("names", "ids"),
    [(["ab12"], ["ab12"]), (["c"], ["cd"]), (["anna:8"], ["ab34"]), (["cd", "bert:7", "ab1"], ["cd", "ab12"])],
)
def test_a_worker_is_named_by_its_id_the_beginning_of_it_or_its_place(names: list[str], ids: list[str]) -> None:
    assert [worker["id"] for worker in chosen(names, PROCESSES)] == ids
    assert [worker["id"] for worker in all_of("v1", PROCESSES)] == ["ab12", "cd"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("ab", "several workers' ids: ab12, ab34"),
        ("ef", "No worker that lives is called ef"),
        ("anna", "No worker that lives is called anna"),
        ("", "No worker that lives is called that"),
        ("i1", "i1 is an ingress"),
        ("anna:9", "anna:9 is an ingress"),
    ],
)
def test_who_is_meant_must_be_clear(name: str, sentence: str) -> None:
    with pytest.raises(UnknownProcess, match=sentence):
        chosen([name], PROCESSES)


def test_a_version_that_nobody_runs_is_refused_with_those_that_run() -> None:
    with pytest.raises(UnknownProcess, match="Versions that run: v1, v2"):
        all_of("v3", PROCESSES)


def test_each_step_of_a_worker_is_told_once() -> None:
    now = clock.now()
    workers = [{**process} for process in processes_of({"w1": {"seen_at": now}, "w2": {"seen_at": now}}, now)]
    progress = DrainProgress(workers)
    told = []
    for first, second in (
        ({"seen_at": now}, {"seen_at": now}),
        ({"seen_at": now, "draining": True, "running": 2}, {"seen_at": now}),
        ({"seen_at": now, "draining": True, "running": 1}, {"seen_at": now, "draining": True}),
        ({"seen_at": now, "left_at": now}, {"seen_at": now - 60}),
        ({"seen_at": now, "left_at": now}, {"seen_at": now - 60}),
    ):
        told.append([news.text for news in progress.look({"w1": first, "w2": second})])
    assert told == [
        ["was told", "was told"],
        ["finishes 2 turns"],
        ["finishes 1 turn", "drains"],
        ["has ended", "was lost before it had ended: its turns are run again by others"],
        [],
    ]
    assert (progress.draining, progress.lost) == ([], ["w2"])
    assert [worker["state"] for worker in progress.described()] == ["ended", "lost"]


@pytest.mark.processes
async def test_a_worker_ends_and_the_command_says_so(tmp_path: Path, redis_url: str, redis_client: Redis) -> None:
    asked = {"USE_REDIS": "true", "REDIS_URL": redis_url}
    with programs(tmp_path, REDIS_URL=redis_url) as start:
        leaving = start("workers", WORKER_VERSION="blue")
        await wait_until(lambda: list_processes(redis_client), "it reports")
        (worker,) = await list_processes(redis_client)
        code, output, errors = await run_script("drain", "--all-of", "blue", cwd=tmp_path, settings=asked)
        assert (code, output.splitlines()[-1].endswith("has ended")) == (0, True), output + errors
        assert f"{worker['host']}:{worker['pid']}" in output
        assert "No other worker lives" in errors
        assert leaving.wait(60) == 0
    notes = [json.loads(note) for note in await redis_client.lrange(keys.OPERATOR_CHANGES, 0, -1)]  # type: ignore[misc]
    assert [note["command"] for note in notes] == [f"drain {worker['id']}"]


@pytest.mark.processes
async def test_it_need_not_be_waited_for(tmp_path: Path, redis_url: str, redis_client: Redis) -> None:
    asked = {"USE_REDIS": "true", "REDIS_URL": redis_url}
    for name in ("w1", "w2"):
        await report_process(redis_client, name, version="blue", features=["drain"])
    code, output, errors = await run_script("drain", "w1", "--no-wait", cwd=tmp_path, settings=asked)
    assert (code, output, errors) == (0, "Told 1 worker to drain.\n", "")
    assert await redis_client.exists(keys.drain_order("w1"), keys.drain_order("w2")) == 1
    code, output, _ = await run_script("drain", "w2", "--no-wait", "--json", cwd=tmp_path, settings=asked)
    assert (code, [worker["state"] for worker in json.loads(output)["workers"]]) == (0, ["told"])
    code, output, errors = await run_script("drain", "w3", cwd=tmp_path, settings=asked)
    assert (code, output) == (1, "")
    assert "No worker that lives is called w3" in errors
    for wrong in ((), ("w1", "--all-of", "blue")):
        code, _, errors = await run_script("drain", *wrong, cwd=tmp_path, settings=asked)
        assert (code, "say which: voiceagent drain WORKER" in errors) == (2, True), errors
