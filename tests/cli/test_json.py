"""`--json`: every command that shows something has it, and prints nothing but JSON then."""

import json
from pathlib import Path

import pytest
from support.ingress import started_ingress
from support.terminal import run_script

from orchestrator.cli.main import COMMANDS, parser_for

WITHOUT = {
    "dev": "what it prints is the log of its processes",
    "completion": "what it prints is code for a shell",
}
"""The commands without it, and why."""


@pytest.mark.parametrize("command", sorted(COMMANDS.keys() - WITHOUT.keys()))
def test_every_command_has_it_in_one_form(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parser_for([command]).parse_args([command, "--help"])
    assert "--json" in capsys.readouterr().out


def test_a_new_key_is_printed_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    args = parser_for(["encryption"]).parse_args(["encryption", "new-key", "--json"])
    assert args.run(args) == 0
    assert set(json.loads(capsys.readouterr().out)) == {"key"}


@pytest.mark.processes
async def test_a_call_is_told_line_by_line(tmp_path: Path) -> None:
    async with started_ingress() as ingress:
        code, output, errors = await run_script(
            "call", ingress.url, "--json", "--token", ingress.token, cwd=tmp_path, script="Grüße\n#12\n"
        )
    assert (code, errors) == (0, "")
    events = [json.loads(line) for line in output.splitlines()]
    assert output.isascii()
    assert events[0]["event"] == "calling"
    said = [(event["event"], event["text"]) for event in events if event["event"].endswith("_said")]
    assert [text for event, text in said if event == "caller_said"] == ["Grüße", "#12"]
    assert any("Grüße" in text for event, text in said if event == "agent_said")
    assert (events[-1]["event"], events[-1]["by"], events[-1]["status"]) == ("ended", "caller", "completed")
