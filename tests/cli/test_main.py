"""The command itself: help, and what it says when it was asked for wrongly."""

import re
from pathlib import Path

import pytest
from support.terminal import run_script

from orchestrator.cli.main import COMMANDS, main, parser_for


@pytest.mark.processes
async def test_help_names_every_command(tmp_path: Path) -> None:
    code, output, _ = await run_script("--help", cwd=tmp_path)
    assert code == 0
    assert [name for name in COMMANDS if not re.search(rf"\n    {name}[ \n(]", output)] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parser_for([command]).parse_args([command, "--help"])
    assert ended.value.code == 0
    assert f"usage: voiceagent {command}" in capsys.readouterr().out


@pytest.mark.processes
async def test_the_command_alone_prints_its_help(tmp_path: Path) -> None:
    alone = await run_script(cwd=tmp_path)
    assert alone == await run_script("--help", cwd=tmp_path)
    assert alone[0] == 0
    assert alone[1]


@pytest.mark.parametrize(
    ("command", "wrong"),
    [(command, ["--nope"]) for command in COMMANDS]
    + [(command, ["one", "two", "three"]) for command in COMMANDS if command != "drain"],  # which takes many workers
)
def test_wrong_options_name_their_command(command: str, wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, *wrong])
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert f"usage: voiceagent {command} " in errors
    assert f"voiceagent {command}: error: " in errors


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["dev", "--workers", "x"], "argument --workers: 'x' will not do: give a whole number, 1 or more."),
        (["dev", "--workers", "0"], "argument --workers: '0' will not do: give a whole number, 1 or more."),
        (["dev", "--port", "http"], "argument --port: 'http' will not do: give a port, 0 to 65535."),
        (["dev", "--port", "70000"], "argument --port: '70000' will not do: give a port, 0 to 65535."),
        (["call", "--pace", "fast"], "argument --pace: 'fast' will not do: give a number from 0 to 100000."),
        (["load", "--calls", "many"], "argument --calls: 'many' will not do: give a whole number, 1 or more."),
        (["load", "--turns", "1.5"], "argument --turns: '1.5' will not do: give a whole number, 1 or more."),
        (["load", "--rate", "0"], "argument --rate: '0' will not do: give a number above 0."),
        (["load", "--rate", "inf"], "argument --rate: 'inf' will not do: give a number above 0."),
        (["load", "--think", "nan"], "argument --think: 'nan' will not do: give a number, 0 or more."),
        (["load", "--interrupt", "2"], "argument --interrupt: '2' will not do: give a number from 0 to 1."),
        (["load", "--pace", "-1"], "argument --pace: '-1' will not do: give a number, 0 or more."),
    ],
)
def test_a_wrong_number_is_refused_in_a_sentence(
    arguments: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.processes
@pytest.mark.parametrize("arguments", [["sing"], ["dev", "--workers", "0"], ["call", "--channel", "fax"]])
async def test_a_wrong_command_line_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    code, _, errors = await run_script(*arguments, cwd=tmp_path)
    assert code == 2
    assert "usage: voiceagent" in errors


@pytest.mark.parametrize("words", [["calls", "\udcff"], ["drain", "a\udcff"], ["dead", "show", "\udcff"], ["\udcff"]])
def test_a_word_that_is_no_text_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "is not UTF-8" in capsys.readouterr().err


@pytest.mark.processes
async def test_a_bad_setting_is_told_in_a_sentence(tmp_path: Path) -> None:
    code, _, errors = await run_script("calls", cwd=tmp_path, settings={"PORT": "many"})
    assert code == 2
    assert errors.startswith("voiceagent: ")
    assert "port" in errors.lower()
    assert "Traceback" not in errors


def test_dead_letters_have_their_whole_name_as_well() -> None:
    assert parser_for(["dead-letters"]).parse_args(["dead-letters", "list"]).run == (
        parser_for(["dead"]).parse_args(["dead", "list"]).run
    )
