"""`voiceagent routes`: who answers which number, now or at another time."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.terminal import at_a_terminal, run_script

pytestmark = pytest.mark.processes

ROUTES = """
[agents.day]
agent = "receptionist"
language = "sv-SE"
voice = "Polly.Astrid"

[agents.trial]
agent = "echo"
channel = "relay"

[agents.night]
agent = "echo"

[[routes]]
number = "+1 555 123-0001"
agent = "day"
split = { day = 90, trial = 10 }
tenant = "north"
max_calls = 20
hours = "Mo-Fr 08:00-18:00"
time_zone = "Europe/Stockholm"
closed = "night"

[[routes]]
number = "+1555*"
agent = "day"
hook = "json:dumps"
"""
OPEN, CLOSED = "2026-11-26T12:00+01:00", "2026-11-26T20:00+01:00"


async def routes(directory: Path, *arguments: str, text: str | None = ROUTES) -> tuple[int, str, str]:
    settings = {"AGENT": "echo"}
    if text is not None:
        (directory / "routes.toml").write_text(text)
        settings["ROUTES"] = str(directory / "routes.toml")
    return await run_script("routes", *arguments, cwd=directory, settings=settings)


async def test_all_routes_are_listed(tmp_path: Path) -> None:
    code, output, _ = await routes(tmp_path, "--at", CLOSED)
    lines = [line.split() for line in output.splitlines()]
    assert (code, lines[0]) == (0, ["number", "agent", "tenant", "calls", "hours", "now", "hook"])
    assert (
        " ".join(lines[1])
        == "+15551230001 day 90 %, trial 10 % north ≤ 20 Mo-Fr 08:00-18:00 Europe/Stockholm closed: night"
    )
    assert " ".join(lines[2]) == "+1555* day json:dumps"
    assert [" ".join(line) for line in lines[3:]] == [
        "", "agent code channel language voice", "day receptionist gather sv-SE Polly.Astrid", "trial echo relay",
        "night echo gather",
    ]  # fmt: skip


async def test_a_person_sees_colours_and_no_escape_sequences(tmp_path: Path) -> None:
    (tmp_path / "routes.toml").write_text(ROUTES)
    async with at_a_terminal("routes", cwd=tmp_path, settings={"ROUTES": "routes.toml"}) as terminal:
        await terminal.shows("\x1b[2mnumber")
        await terminal.shows("Polly.Astrid")
        assert await terminal.exit_code() == 0


@pytest.mark.parametrize(("number", "at", "said"), [
    ("(555) 123-0001", OPEN, "no route matches; echo (AGENT) answers"),
    ("+15551230001", OPEN, "day (90 %): receptionist, gather, sv-SE, Polly.Astrid"),
    ("+15551230001", OPEN, "trial (10 %): echo, relay"),
    ("+15551230001", OPEN, "at most 20 at once, counted for north"),
    ("+15551230001", CLOSED, "hours         Mo-Fr 08:00-18:00 Europe/Stockholm: closed"),
    ("+15551230001", CLOSED, "answered by   night: echo, gather"),
    ("+15559999999", CLOSED, "asked first   json:dumps"),
    ("+4670123", OPEN, "no route matches; echo (AGENT) answers"),
])  # fmt: skip
async def test_who_answers_a_number_is_told(tmp_path: Path, number: str, at: str, said: str) -> None:
    code, output, _ = await routes(tmp_path, number, "--at", at)
    assert (code, said in output) == (0, True), output


async def test_a_machine_gets_the_same(tmp_path: Path) -> None:
    code, output, _ = await routes(tmp_path, "+15551230001", "--at", OPEN, "--json")
    found: dict[str, Any] = json.loads(output)
    assert (code, found["route"], found["tenant"], found["is_open"]) == (0, "+15551230001", "north", True)
    assert [(agent["name"], agent["share"]) for agent in found["agents"]] == [("day", 0.9), ("trial", 0.1)]
    code, output, _ = await routes(tmp_path, "--json")
    assert [route["number"] for route in json.loads(output)] == ["+15551230001", "+1555*"]


@pytest.mark.parametrize("at", ["noon", "9999-12-31T23:59", "0001-01-01T00:00"])
async def test_without_routes_it_says_so_and_bad_ones_are_complained_of(tmp_path: Path, at: str) -> None:
    code, output, _ = await routes(tmp_path, text=None)
    assert (code, output.strip()) == (0, "ROUTES is not set: echo (AGENT) answers every number.")
    code, _, errors = await routes(tmp_path, text=ROUTES.replace('agent = "day"', 'agent = "dya"'))
    assert (code, errors.count("dya")) == (2, 2), errors
    code, _, errors = await routes(tmp_path, "+1", "--at", at)
    assert (code, "give a time such as" in errors) == (2, True)
