"""What the programs import at their start: time that a call waits for while a process is replaced."""

import subprocess
import sys

import pytest
from support.source_trees import REPOSITORY

NOT_AT_START = {
    "import workers.program": ("cryptography.x509", "jwt.algorithms"),
    "import web.app, web.server, orchestrator.runtime": (
        "cryptography.x509", "jwt.algorithms", "redis", "web.api.openapi.answers", "web.api.openapi.document",
        "web.api.openapi.operations", "web.api.openapi.page",
    ),
}  # fmt: skip


@pytest.mark.processes
@pytest.mark.parametrize("statement", NOT_AT_START, ids=["workers", "web"])
def test_a_start_does_not_import_what_only_some_need(statement: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{statement}\nprint(*sys.modules)"],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert not set(NOT_AT_START[statement]) & set(done.stdout.split())
