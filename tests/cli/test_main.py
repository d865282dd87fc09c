"""The command itself: help, and what it says when it was asked for wrongly."""

from pathlib import Path

import pytest
from support.terminal import run_script

from orchestrator.cli.main import COMMANDS, parser_for


async def test_help_names_every_command(tmp_path: Path) -> None:
    code, output, _ = await run_script("--help", cwd=tmp_path)
    assert code == 0
    assert [name for name in COMMANDS if f"\n    {name} " not in output] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser_for([command]).parse_args([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: voiceagent {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["sing"], ["dev", "--workers", "0"], ["call", "--channel", "fax"]])
async def test_a_wrong_command_line_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    code, _, errors = await run_script(*arguments, cwd=tmp_path)
    assert code == 2
    assert "usage: voiceagent" in errors


async def test_a_bad_setting_is_told_in_a_sentence(tmp_path: Path) -> None:
    code, _, errors = await run_script("calls", cwd=tmp_path, settings={"PORT": "many"})
    assert code == 2
    assert errors.startswith("voiceagent: ")
    assert "port" in errors.lower()
    assert "Traceback" not in errors
