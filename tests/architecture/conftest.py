"""What the tests about the repository itself share."""

import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
CORPUS = "tests/fuzz/corpus/"
"""Files of bytes, some of which happen to be text."""


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the work tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    """Every text file that is, or is about to be, in the repository: path from its root → content."""
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout
    found = {}
    for name in sorted(set(names.split("\0")) - {""}):
        path = REPOSITORY / name
        content = path.read_bytes() if path.is_file() and not name.startswith(CORPUS) else b"\0"
        if b"\0" not in content:
            found[name] = content.decode()
    return found
