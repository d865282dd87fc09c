"""What chaos finds in a deployment that loses, doubles and reorders turns, and whose agent answers twice."""

import json
import shutil
from pathlib import Path

import pytest
from support.terminal import run_script

pytestmark = [pytest.mark.processes, pytest.mark.slow]

BROKEN = Path(__file__).parents[1] / "support" / "broken"
ARGUMENTS = ("chaos", "--start", "--seconds", "4", "--calls", "12", "--kinds", "cut", "--json")


async def test_everything_that_is_wrong_is_found(tmp_path: Path) -> None:
    settings = {"PYTHONPATH": str(BROKEN), "BROKEN": "yes"}
    code, output, errors = await run_script(*ARGUMENTS, cwd=tmp_path, settings=settings)
    outcome = json.loads(output.splitlines()[-1])
    assert (code, outcome["event"], outcome["is_clean"]) == (1, "outcome", False)
    audit = outcome["load"]["audit"]
    assert min(audit[kind] for kind in ("lost", "doubled", "reordered", "wrong")) > 0
    findings = "\n".join(outcome["findings"])
    for what in ("are lost", "more than once", "in another order", "heard otherwise"):
        assert what in findings
    assert "You said: This is what I say in turn 1. And that was all.You said:" in findings.replace("\\'", "'")
    log = Path(errors.split(" is in ")[1].strip())
    assert "worker.1" in log.read_text()
    shutil.rmtree(log.parent)
