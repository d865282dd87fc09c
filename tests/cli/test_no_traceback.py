"""Whatever goes wrong, each command ends with an exit code that its help names, and with sentences, not a traceback."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from support import module_process
from support.servers import free_port
from support.terminal import MODULE, environment, run_script
from support.waiting import wait_until

from orchestrator.cli.exit_codes import OF_ALL
from orchestrator.cli.main import COMMANDS, main, parser_for

WORDS: dict[str, list[list[str]]] = {
    "dev": [],
    "call": [["call"]],
    "calls": [["calls"], ["calls", "CA1"], ["calls", "--json"]],
    "top": [["top"], ["top", "--json"]],
    "records": [["records"], ["records", "show", "CA1"], ["records", "export"]],
    "erase": [["erase", "CA1", "--yes"]],
    "load": [["load", "--calls", "1"]],
    "chaos": [["chaos", "--seconds", "1"]],
    "dead": [["dead"], ["dead", "replay", "CA1/t1"], ["dead", "--json"]],
    "events": [["events"], ["events", "retry"], ["events", "drop", "--all", "--yes"]],
    "workers": [["workers"], ["workers", "--json"]],
    "drain": [["drain", "a1"]],
    "rollout": [["rollout"], ["rollout", "promote", "v2"]],
    "routes": [["routes"], ["routes", "+15551230001"]],
    "encryption": [["encryption", "new-key"], ["encryption", "status"], ["encryption", "rotate"]],
    "api-keys": [["api-keys"], ["api-keys", "new", "office", "read"]],
    "completion": [["completion", "bash"]],
    "doctor": [["doctor"], ["doctor", "--json"]],
}
"""Command → what is asked of it here. `dev` needs nothing that is there: it starts what it needs."""
LINES = [words for lines in WORDS.values() for words in lines]
FIRST = [lines[0] for lines in WORDS.values() if lines]
WAITING = [
    ["calls"], ["top"], ["records"], ["erase", "CA1", "--yes"], ["dead"], ["events"], ["workers"], ["drain", "a1"],
    ["rollout"], ["encryption", "status"], ["doctor"], ["load", "--calls", "1"],
]  # fmt: skip
"""Those that wait for an answer of a server, and end at the first Ctrl-C."""


@asynccontextmanager
async def silent_server() -> AsyncIterator[tuple[int, asyncio.Event]]:
    """A server that takes connections and answers nothing: its port, and whether somebody has asked."""
    asked, writers = asyncio.Event(), list[asyncio.StreamWriter]()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        if await reader.read(1):
            asked.set()

    async with await asyncio.start_server(hold, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1], asked
        for writer in writers:
            writer.close()


def settings_at(port: int) -> dict[str, str]:
    return {"USE_REDIS": "true", "REDIS_URL": f"redis://127.0.0.1:{port}", "PORT": str(port), "TERM": "dumb"}


def check_told(errors: str) -> None:
    assert "Traceback" not in errors
    assert "Exception ignored" not in errors
    assert "fault of the command" not in errors


def test_every_command_is_tried_here() -> None:
    assert set(WORDS) == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_names_its_exit_codes_in_one_form(command: str, capsys) -> None:
    with pytest.raises(SystemExit):
        parser_for([command]).parse_args([command, "--help"])
    said = capsys.readouterr().out
    _, heading, codes = said.partition("\nexit codes:\n")
    assert heading
    assert {0, 1, *OF_ALL} <= {int(line.split()[0]) for line in codes.splitlines()}
    assert "xit code" not in said.partition(heading)[0], "nowhere else"


@pytest.mark.processes
@pytest.mark.parametrize("words", LINES, ids=" ".join)
async def test_while_nothing_answers(words: list[str], tmp_path: Path) -> None:
    code, _, errors = await run_script(*words, cwd=tmp_path, settings=settings_at(free_port()))
    check_told(errors)
    assert code in (0, 1, 2)
    assert code == 0 or errors.startswith("voiceagent: ") or words[0] in ("doctor", "call", "load", "chaos")


@pytest.mark.processes
@pytest.mark.parametrize("words", [*FIRST, ["dev"]], ids=" ".join)
async def test_with_a_setting_that_will_not_do(words: list[str], tmp_path: Path) -> None:
    code, _, errors = await run_script(*words, cwd=tmp_path, settings={"PORT": "many"})
    check_told(errors)
    if words[0] == "completion" or words[-1] == "new-key" or "new" in words:  # which need no settings
        assert code == 0
    else:
        assert code == 2
        assert "port" in errors.lower()


@pytest.mark.processes
@pytest.mark.parametrize("words", [["--help"], *FIRST], ids=" ".join)
async def test_whose_reader_has_gone(words: list[str], tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    errors = tmp_path / "errors"
    with errors.open("wb") as file, open(os.devnull) as nothing:
        process = module_process.start(
            MODULE, *words, directory=tmp_path, environment=environment(**settings_at(free_port())),
            input=nothing.fileno(), output=write, errors=file.fileno(),
        )  # fmt: skip
        os.close(write)
        code = await asyncio.to_thread(process.wait, 60)
    check_told(errors.read_text())
    assert code in (0, 1, 2)


@pytest.mark.processes
@pytest.mark.parametrize("words", WAITING, ids=" ".join)
async def test_which_somebody_interrupts(words: list[str], tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    async with silent_server() as (port, asked):
        with errors.open("wb") as file, open(os.devnull) as nothing:
            process = module_process.start(
                MODULE, *words, directory=tmp_path, environment=environment(**settings_at(port)),
                input=nothing.fileno(), output=file.fileno(), errors=file.fileno(),
            )  # fmt: skip
            try:
                await wait_until(lambda: asked.is_set() or process.poll() is not None, "it asks")
                process.send_signal(signal.SIGINT)
                code = await asyncio.to_thread(process.wait, 60)
            finally:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
    check_told(errors.read_text())
    assert code in (130, 1), errors.read_text()


def test_a_fault_of_ours_is_told_in_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    """A module of a command that has a bug."""
    from orchestrator.cli import completion

    def fail(args: object) -> int:
        raise RuntimeError("it\x1b[2J broke")

    monkeypatch.setattr(completion, "run", fail)
    assert main(["completion", "bash"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("voiceagent: RuntimeError: it\\x1b[2J broke")
    assert "please report it" in said


@pytest.mark.processes
async def test_letters_that_the_terminal_lacks_stop_nothing(tmp_path: Path) -> None:
    code, output, errors = await run_script(
        "calls", "--help", cwd=tmp_path, settings={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    )
    assert (code, errors) == (0, "")
    assert output
