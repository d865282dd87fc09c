"""A pytest plugin: what a test leaves open fails that test, not a later one in which the garbage collector comes by."""

import gc
import sys
from collections.abc import Generator
from typing import Any

import pytest


def pytest_collection_finish() -> None:
    """Leave what was imported out of every collection: it stays, and walking over it takes longer than a test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown() -> Generator[None, Any, Any]:
    """Collect garbage once the fixtures are torn down. Raise AssertionError if a finalizer complains."""
    result = yield
    complaints: list[str] = []
    before = sys.unraisablehook
    sys.unraisablehook = lambda it: complaints.append(f"{it.exc_value!r} in {it.object!r}")
    try:
        gc.collect()
    finally:
        sys.unraisablehook = before
    assert not complaints, "close what the test opens: " + "; ".join(complaints)
    return result
