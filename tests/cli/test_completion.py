"""The words of the command line are completed, by each shell's own code, and by argcomplete's protocol."""

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from starlette.responses import JSONResponse
from support.twiml_server import serve_twiml

from orchestrator.cli.main import COMMANDS

pytestmark = pytest.mark.processes

PROGRAM = Path(sys.executable).with_name("voiceagent")


def completed(line: str, directory: Path, **settings: str) -> list[str]:
    """What the program answers to a shell that asks how `line` may go on."""
    answer = directory / "answer"
    environment = {
        **os.environ, **settings,
        "_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n",
        "_ARGCOMPLETE_STDOUT_FILENAME": str(answer),
    }  # fmt: skip
    subprocess.run([PROGRAM], env=environment, cwd=directory, check=True, timeout=60, capture_output=True)
    return [word.strip() for word in answer.read_text().splitlines()]


def test_the_commands_are_completed(tmp_path: Path) -> None:
    assert set(COMMANDS) <= set(completed("voiceagent ", tmp_path))
    assert completed("voiceagent ro", tmp_path) == ["rollout", "routes"]


def test_what_a_command_takes_is_completed(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()  # no command takes a file
    assert set(completed("voiceagent rollout r", tmp_path)) == {"ramp", "roll-back"}
    assert completed("voiceagent rollout promote r", tmp_path) == []
    assert "--json" in completed("voiceagent workers --", tmp_path)


async def test_a_live_call_is_completed_where_a_call_is_named(tmp_path: Path) -> None:
    listing = {"calls": [{"call_sid": "CA12"}, {"call_sid": "CA13"}, {"call_sid": "demo-1"}], "count": 3}
    async with serve_twiml({"/calls": JSONResponse(listing)}) as server:
        for line, found in (
            ("call CA", ["CA12", "CA13"]), ("calls CA13", ["CA13"]), ("erase d", ["demo-1"]), ("call --ur", ["--url"]),
        ):  # fmt: skip
            port = server.url.rpartition(":")[2]
            assert await asyncio.to_thread(completed, f"voiceagent {line}", tmp_path, PORT=port) == found
    assert await asyncio.to_thread(completed, "voiceagent call CA", tmp_path, PORT=port) == [], "it does not answer"


@pytest.mark.parametrize(("shell", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_each_shell_reads_its_code(tmp_path: Path, shell: str, check: list[str]) -> None:
    code = subprocess.run(
        [PROGRAM, "completion", shell], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    assert "voiceagent" in code
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "code").write_text(code)
    subprocess.run([shell, *check, tmp_path / "code"], check=True, timeout=60)


def test_zsh_completes_where_nothing_turned_completion_on(tmp_path: Path) -> None:
    code = subprocess.run(
        [PROGRAM, "completion", "zsh"], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    ).stdout
    first, second, *_ = code.splitlines()
    assert first == "#compdef voiceagent"
    assert "compinit" in second
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    (tmp_path / "code").write_text(f"{code}\necho $_comps[voiceagent]")
    found = subprocess.run(["zsh", "-f", tmp_path / "code"], capture_output=True, text=True, check=True, timeout=60)
    assert (found.stdout, found.stderr) == ("_python_argcomplete\n", "")


def test_bash_completes(tmp_path: Path) -> None:
    script = f"""
        PATH={PROGRAM.parent}:$PATH
        source <(voiceagent completion bash)
        COMP_WORDS=(voiceagent work) COMP_CWORD=1 COMP_LINE="voiceagent work" COMP_POINT=15 COMP_TYPE=9
        _python_argcomplete voiceagent work voiceagent
        echo "${{COMPREPLY[@]}}"
    """
    found = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert found.stdout.split() == ["workers"]
