"""Source trees that are measured: the present one, and a revision of the past beside it."""

import asyncio
import io
import subprocess
import tarfile
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
BASELINE = "28bfe58"
"""The revision that budgets called "over the tree before" compare with; `--baseline` names another one."""


class NoSuchRevision(Exception):
    """The history here does not have the revision. The message says so."""


@dataclass(frozen=True)
class Tree:
    """The code of one revision. `label` is `now` or `before`."""

    label: str
    directory: Path


PRESENT = Tree("now", REPOSITORY)


@asynccontextmanager
async def unpacked(revision: str) -> AsyncIterator[Tree]:
    """Unpack a revision into a temporary directory. Raise `NoSuchRevision` if the history does not have it."""
    packed = await asyncio.to_thread(_archive, revision)
    with tempfile.TemporaryDirectory(prefix="va-bench-tree-") as directory:
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            await asyncio.to_thread(archive.extractall, directory, filter="data")
        yield Tree("before", Path(directory))


def _archive(revision: str) -> bytes:
    command = ["git", "-C", str(REPOSITORY), "archive", "--format=tar", f"{revision}^{{commit}}"]
    try:
        return subprocess.run(command, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        reason = (getattr(error, "stderr", None) or str(error).encode()).decode(errors="replace").strip()
        raise NoSuchRevision(f"no revision {revision} in the history here, as in a shallow clone ({reason})") from None
