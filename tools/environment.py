"""Sets up a virtual environment for make, once, however many ask for it at the same time.

    environment.py DIRECTORY --requirement FILE … [--project]

The second one waits and uses what the first one made. An unfinished environment is made again. Standard
library only.
"""

import argparse
import fcntl
import os
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

READY = ".ready"
UNFINISHED = ".unfinished"
"""A file in the environment while somebody works at it; found by the next one if that ended in the middle."""
WAIT_SECONDS = 1800
LOOK_SECONDS = 0.2
TELL_SECONDS = 5.0
TOLD_LINES = 30
BASE_PYTHON = getattr(sys, "_base_executable", None) or sys.executable
"""Not the environment's own, which may have to be made again."""


def main() -> int:
    """Return 0 when the environment is ready, 1 when it cannot be made."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--requirement", type=Path, action="append", default=[], dest="requirements")
    parser.add_argument("--project", action="store_true", help="install the project itself, as it is edited")
    options = parser.parse_args()
    lock = taken_lock(options.directory.with_name(options.directory.name + ".lock"), str(options.directory))
    inputs = [*options.requirements, Path("pyproject.toml")] if options.project else options.requirements
    if is_ready(options.directory, inputs):
        return 0
    try:
        return set_up(options.directory, options.requirements, project=options.project, lock=lock)
    except KeyboardInterrupt:
        return 130


def taken_lock(path: Path, what: str) -> int:
    """Return the lock's descriptor, once it is ours. pip gets it too: it is held until the last one is gone."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    end, is_told = time.monotonic() + WAIT_SECONDS, False
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_told:
                tell(f"Another make sets up {what}; waiting for it…")
                is_told = True
            if time.monotonic() > end:
                sys.exit(f"{what} was not set up in {WAIT_SECONDS // 60} minutes. Stop the other make, and try again.")
            time.sleep(LOOK_SECONDS)
        else:
            return lock


def is_ready(directory: Path, inputs: "list[Path]") -> bool:
    """Return whether it was set up after the last change of what it is made from."""
    stamp = directory / READY
    return stamp.exists() and all(stamp.stat().st_mtime >= path.stat().st_mtime for path in inputs)


def set_up(directory: Path, requirements: "list[Path]", *, project: bool, lock: int) -> int:
    """Make or renew it; 0, or 1 after saying why not."""
    if (directory / UNFINISHED).exists():
        shutil.rmtree(directory)
    if not (directory / "bin" / "pip").exists():
        tell(f"Setting up {directory} (once)…")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / UNFINISHED).touch()
        if subprocess.run([BASE_PYTHON, "-m", "venv", str(directory)], check=False).returncode:
            shutil.rmtree(directory, ignore_errors=True)
            tell("No virtual environment could be made. On Debian and Ubuntu: apt-get install python3-venv")
            return 1
    (directory / UNFINISHED).touch()
    (directory / READY).unlink(missing_ok=True)
    # One by one: pip checks hashes for all that it is given or for nothing, and the project itself has none. The files
    # are complete, and may override what a package asks for, as pyproject.toml says.
    steps = [["--requirement", str(path), "--no-deps"] for path in requirements]
    steps += [["--no-deps", "--no-build-isolation", "--editable", "."]] if project else []
    for step in steps:
        if code := install(directory, step, lock):
            return code
    compile_all(directory)
    (directory / READY).touch()
    (directory / UNFINISHED).unlink()
    return 0


def install(directory: Path, what: "list[str]", lock: int) -> int:
    """Run pip and show how far it is; its exit code, after its last lines if it failed."""
    options = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-compile"]
    pip = subprocess.Popen(
        [str(directory / "bin" / "python"), "-u", "-m", "pip", "install", *options, *what],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, pass_fds=(lock,),
    )  # fmt: skip
    progress = Progress(how_many(Path(what[1])) if what[0] == "--requirement" else 0)
    lines: list[str] = []
    assert pip.stdout is not None
    rest, is_over = "", False
    while not is_over:
        if select.select([pip.stdout], [], [], TELL_SECONDS)[0]:
            chunk = os.read(pip.stdout.fileno(), 65536)
            is_over = not chunk
            *whole, rest = (rest + chunk.decode(errors="replace")).split("\n")
            lines = [*lines, *whole][-TOLD_LINES:]
            for line in whole:
                progress.take(line)
        progress.show()
    code = pip.wait()
    progress.close()
    if code:
        tell("\n".join([*lines, rest, "The packages could not be installed; pip says why above. Then try again."]))
    return code


def compile_all(directory: Path) -> None:
    """Compile the modules of all packages on all CPUs: pip would take one of them for longer than for all the rest.

    Packages bring files that this Python cannot read. They stay as they are.
    """
    tell("  compiling what was installed")
    command = [str(directory / "bin" / "python"), "-m", "compileall", "-q", "-q", "-j", "0", str(directory / "lib")]
    subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=False)


def how_many(requirements: Path) -> int:
    """Return how many packages a locked list has."""
    return len(re.findall(r"^[\w.-]+(?:\[[^]]*\])?\s*==", requirements.read_text(), re.MULTILINE))


class Progress:
    """How far pip is: one line that refreshes itself on a terminal, a line now and then elsewhere."""

    def __init__(self, packages: int) -> None:
        self._packages = packages
        self._found = 0
        self._doing = "asking for packages"
        self._began = self._told = time.monotonic()
        self._on_terminal = sys.stderr.isatty()

    def take(self, line: str) -> None:
        """Read a line that pip says, and say how far it is, if it is time to."""
        if collecting := re.match(r"(?:Collecting|Processing) (?:\./)?([\w.-]+)", line):
            self._found += 1
            self._doing = f"{collecting[1]} ({self._found} of {max(self._packages, self._found)})"
        elif line.startswith("Installing collected packages"):
            self._doing = f"installing {self._found or 'the'} packages"
        self.show()

    def show(self) -> None:
        """Say it, if it is time to."""
        now = time.monotonic()
        if self._on_terminal:
            print(f"\r\x1b[2K  {now - self._began:3.0f} s  {self._doing}", end="", file=sys.stderr, flush=True)
        elif now - self._told >= TELL_SECONDS:
            self._told = now
            tell(f"  {now - self._began:3.0f} s  {self._doing}")

    def close(self) -> None:
        """Take the refreshing line away."""
        if self._on_terminal:
            print("\r\x1b[2K", end="", file=sys.stderr, flush=True)


def tell(text: str) -> None:
    """Say it to the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
