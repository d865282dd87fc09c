"""A pytest plugin: what a test leaves open fails that test, not a later one in which the garbage collector comes by."""

import gc
import sys
from collections.abc import Generator
from typing import Any

import pytest

MANY_OBJECTS = 20_000
"""To walk over them takes ten milliseconds: most tests are faster."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Search for no garbage meanwhile: what is imported and collected stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_collection_finish() -> None:
    """Leave what was imported out of every collection: it stays."""
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
    if len(gc.get_objects()) > MANY_OBJECTS:  # a test has imported more, or a cache was filled
        gc.freeze()
    assert not complaints, "close what the test opens: " + "; ".join(complaints)
    return result
