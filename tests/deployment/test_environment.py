"""`tools/environment.py`, by which make sets up its virtual environments: real processes and a real pip, no network."""

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
TOOL = REPOSITORY / "tools" / "environment.py"
WHEEL = {
    "tiny.py": "",
    "tiny-1.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n",
    "tiny-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tiny-1.0.dist-info/RECORD": "tiny.py,,\ntiny-1.0.dist-info/METADATA,,\ntiny-1.0.dist-info/WHEEL,,\n",
}

Made = tuple[Path, list[int], list[str]]

pytestmark = pytest.mark.processes


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A directory with a locked list of one package."""
    return with_list(tmp_path)


def with_list(directory: Path) -> Path:
    with zipfile.ZipFile(directory / "tiny-1.0-py3-none-any.whl", "w") as wheel:
        for name, text in WHEEL.items():
            wheel.writestr(name, text)
    (directory / "requirements.txt").write_text("--no-index\n--find-links .\ntiny==1.0\n")
    return directory


@pytest.fixture(scope="module")
def made_by_three(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A clone whose environment three asked for at once, with their exit codes and what they said."""
    clone = with_list(tmp_path_factory.mktemp("made"))
    processes = [begin(clone) for _ in range(3)]
    outputs = [process.communicate(timeout=180)[0] for process in processes]
    return clone, [process.returncode for process in processes], outputs


@pytest.fixture
def old_clone(clone: Path, made_by_three: Made) -> Path:
    """A clone whose environment was set up before its list was written: to make one takes pip three seconds."""
    shutil.copytree(made_by_three[0] / ".venv", clone / ".venv", symlinks=True)
    (clone / ".venv" / ".ready").unlink()
    for part in (clone / ".venv").rglob("tiny*"):
        shutil.rmtree(part) if part.is_dir() else part.unlink()
    assert not has_tiny(clone)
    return clone


def begin(clone: Path, tool: Path = TOOL) -> "subprocess.Popen[str]":
    command = [sys.executable, str(tool), ".venv", "--requirement", "requirements.txt"]
    return subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def run(clone: Path, tool: Path = TOOL) -> tuple[int, str]:
    process = begin(clone, tool)
    output, _ = process.communicate(timeout=180)
    return process.returncode, output


def has_tiny(clone: Path) -> bool:
    return subprocess.run([clone / ".venv/bin/python", "-c", "import tiny"], check=False).returncode == 0


def test_of_many_at_once_one_sets_up_and_the_others_wait_for_it(
    made_by_three: Made,
) -> None:
    clone, codes, outputs = made_by_three
    assert codes == [0, 0, 0], outputs
    assert sum("Setting up .venv (once)" in output for output in outputs) == 1, outputs
    assert has_tiny(clone)
    assert run(clone) == (0, "")


def test_one_that_was_left_in_the_middle_is_begun_anew(clone: Path) -> None:
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "pip").write_text("half")
    (clone / ".venv" / ".unfinished").touch()
    code, output = run(clone)
    assert (code, has_tiny(clone)) == (0, True), output
    assert not (clone / ".venv" / ".unfinished").exists()


def test_a_failure_says_why_and_is_not_taken_for_an_environment(old_clone: Path) -> None:
    whole = (old_clone / "requirements.txt").read_text()
    (old_clone / "requirements.txt").write_text(whole.replace("tiny", "missing"))
    code, output = run(old_clone)
    assert code == 1
    assert "No matching distribution found for missing==1.0" in output
    assert not (old_clone / ".venv" / ".ready").exists()
    (old_clone / "requirements.txt").write_text(whole)
    code, output = run(old_clone)
    assert (code, has_tiny(old_clone)) == (0, True), output


def test_it_is_told_how_far_it_is(old_clone: Path) -> None:
    talkative = old_clone / "environment.py"
    talkative.write_text(TOOL.read_text().replace("TELL_SECONDS = 5.0", "TELL_SECONDS = 0.0"))
    code, output = run(old_clone, talkative)
    assert code == 0
    assert "tiny-1.0-py3-none-any.whl (1 of 1)" in output
    assert "installing 1 packages" in output


def test_make_sets_up_by_it() -> None:
    made = subprocess.run(
        ["make", "-n", "VENV=.venv-none", "run"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert "tools/environment.py .venv-none --requirement requirements-dev.txt --project" in made.stdout
