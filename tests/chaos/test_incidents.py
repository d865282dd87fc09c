"""With chaos running, the incidents alone say which process was killed, frozen or replaced, when, and who noticed."""

import json
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from support.chaos_output import Record, read_chaos
from support.terminal import Running, run_script
from support.waiting import wait_until

from orchestrator.chaos.faults import KINDS
from orchestrator.client import Client, ClientError

pytestmark = [pytest.mark.processes, pytest.mark.slow]

ENDS = {"kill": "lost", "freeze": "frozen", "roll": "stopped"}
SHORTEST_SECONDS = 1.5
"""A process that stands still for a moment costs nobody a turn, and is no incident."""
REPORT_SECONDS = 6.0
"""Of a process that was killed, the last sign is known: it gives one every five seconds."""
OPTIONS = ("--seconds", "14", "--every", "2", "--calls", "6", "--seed", "4", "--json")


async def test_each_kind_of_fault_is_survived_and_the_incidents_name_it(
    dev: tuple[str, Running], tmp_path: Path
) -> None:
    url, running = dev
    done: list[Record] = []
    for kind in KINDS:
        code, output, errors = await run_script("chaos", url, *OPTIONS, "--kinds", kind, cwd=tmp_path)
        printed, outcome = read_chaos(output)
        assert (code, errors, outcome["findings"]) == (0, "", [])
        assert {fault["kind"] for fault in printed} == {kind}
        assert len(printed) == len(outcome["faults"])
        assert outcome["processes"] == {"ingress": 1, "worker": 2}
        assert outcome["load"]["audit"]["turns"] > 8
        done += outcome["faults"]
    assert max(fault["connections"] for fault in done) > 3
    assert "killed by SIGKILL" in running.text
    assert "ended (exit code 0)" in running.text
    faults = [fault for fault in done if is_told(fault, done)]
    assert {fault["kind"] for fault in faults} == set(ENDS)
    incidents: list[Record] = []

    async def all_are_named() -> bool:
        try:
            incidents[:] = (await client.incidents())["incidents"]
        except ClientError:
            return False
        return all(incident_of(fault, incidents) for fault in faults)

    async with Client(url) as client:
        with suppress(AssertionError):
            await wait_until(all_are_named, "every fault is an incident", 60)

    assert [fault for fault in faults if not incident_of(fault, incidents)] == [], json.dumps(incidents, indent=1)
    for fault in faults:
        assert incident_of(fault, incidents)["process"] == fault["process"]
    both = [set(fault["calls"]) & noticed(incident_of(fault, incidents)) for fault in faults]
    assert any(both), "of no fault, both say that the same call noticed it"


def is_told(fault: Record, faults: list[Record]) -> bool:
    """A process tells afterwards that it stood still, unless that was for a moment, or it was ended before it could."""
    if fault["kind"] != "freeze":
        return fault["kind"] in ENDS
    lasted = moment(fault["until"]) - moment(fault["at"])
    ends = [moment(each["at"]) for each in faults if each["process"] == fault["process"] and each["kind"] != "freeze"]
    return lasted >= SHORTEST_SECONDS and not any(0 <= at - moment(fault["until"]) < REPORT_SECONDS for at in ends)


def incident_of(fault: Record, incidents: list[Record]) -> Any:
    """The incident of that time that names the fault's process and what became of it; {} if there is none."""
    process = fault["process"]
    kind = f"{process['role']}_{ENDS[fault['kind']]}"
    earliest, latest = moment(fault["at"]) - REPORT_SECONDS, moment(fault["until"])
    named = (each for each in incidents if each["kind"] == kind and each["process"]["id"] == process["id"])
    return next((each for each in named if earliest <= moment(each["at"]) <= latest), {})


def noticed(incident: Record) -> set[str]:
    return {call["call_sid"] for call in incident["calls"]}


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
