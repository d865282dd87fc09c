"""`voiceagent erase`: a call is gone, if a person or an option says so."""

import json
from pathlib import Path

import pytest
from support.ingress import started_ingress
from support.terminal import CTRL_D, at_a_terminal, run_script

pytestmark = pytest.mark.processes


async def test_a_call_is_erased(tmp_path: Path) -> None:
    async with started_ingress() as ingress:
        await ingress.begin()
        code, output, _ = await run_script("erase", ingress.call_sid, "--yes", "--url", ingress.url, cwd=tmp_path)
        assert (code, output.partition(".")[0]) == (0, f"{ingress.call_sid} is erased")
        assert await ingress.state() is None
        code, _, errors = await run_script("erase", "CA9", "--yes", "--url", ingress.url, cwd=tmp_path)
    assert code == 1
    assert errors.startswith("voiceagent: ")


async def test_without_a_word_nothing_is_erased(tmp_path: Path) -> None:
    async with started_ingress() as ingress:
        await ingress.begin()
        code, output, errors = await run_script("erase", ingress.call_sid, "--url", ingress.url, cwd=tmp_path)
        assert (code, output) == (1, "")
        assert errors.startswith("voiceagent: Nobody can be asked here: add --yes")
        assert await ingress.state() is not None


@pytest.mark.parametrize("answer", ["n\n", CTRL_D])
async def test_a_person_who_does_not_agree_keeps_the_call(tmp_path: Path, answer: str) -> None:
    async with started_ingress() as ingress:
        await ingress.begin()
        async with at_a_terminal("erase", ingress.call_sid, "--url", ingress.url, cwd=tmp_path) as terminal:
            await terminal.shows(f"Erase {ingress.call_sid} for good? [y/N] ")
            terminal.type(answer)
            assert await terminal.exit_code() == 1
            await terminal.shows("Nothing was erased.")
            assert "fault" not in terminal.text
        assert await ingress.state() is not None


async def test_a_program_is_told_in_json(tmp_path: Path) -> None:
    async with started_ingress() as ingress:
        await ingress.begin()
        code, output, errors = await run_script(
            "erase", ingress.call_sid, "--yes", "--json", "--url", ingress.url, cwd=tmp_path
        )
        assert (code, json.loads(output), errors) == (0, {"erased": ingress.call_sid}, "")
