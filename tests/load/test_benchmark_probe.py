"""The clocks around a program's functions: what they charge to which part."""

import asyncio
import importlib
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.probe import Clocks, Counters

PROGRAM = """
import asyncio

def work():
    sum(range(300_000))

def outer():
    sum(range(30_000))
    inner()

def inner():
    work()

class Thing:
    @classmethod
    def made(cls):
        return cls()

class Heir(Thing):
    pass

async def waits():
    await asyncio.sleep(0)
    work()
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        return "cancelled"

def fails():
    raise ValueError('on purpose')
"""
PARTS = {
    "outer": ["clocked_program:outer"],
    "inner": ["clocked_program:inner", "clocked_program:Thing.made"],
    "inherited": ["clocked_program:Heir.made"],
    "waits": ["clocked_program:waits"],
    "fails": ["clocked_program:fails", "clocked_program:unknown", "clocked_program:Unknown.method"],
}


class Clocked:
    """A module with clocks, and what they have counted."""

    def __init__(self, module: ModuleType, path: Path) -> None:
        self.module = module
        self._path = path

    def read(self) -> dict[str, tuple[int, int, int]]:
        """Nanoseconds, entries and entries of others by part."""
        content = self._path.read_bytes()
        return dict(zip(PARTS, struct.iter_unpack("qqq", content[:-8]), strict=True))

    def found(self) -> int:
        """How many functions have clocks."""
        return int.from_bytes(self._path.read_bytes()[-8:], sys.byteorder)


@pytest.fixture
def clocked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Clocked]:
    (tmp_path / "clocked_program.py").write_text(PROGRAM)
    counters = tmp_path / "counters"
    counters.write_bytes(bytes(24 * len(PARTS) + 8))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", [Clocks(Counters(str(counters)), PARTS), *sys.meta_path])
    yield Clocked(importlib.import_module("clocked_program"), counters)
    del sys.modules["clocked_program"]


def test_time_belongs_to_the_innermost_part(clocked: Clocked) -> None:
    clocked.module.outer()
    found = clocked.read()
    assert (found["outer"][1:], found["inner"][1:]) == ((1, 1), (1, 0))
    assert found["inner"][0] > 3 * found["outer"][0]
    assert found["outer"][0] > found["inner"][0] / 100, "what came before the inner part"


def test_functions_that_the_program_has_are_counted_and_others_left_out(clocked: Clocked) -> None:
    assert isinstance(clocked.module.Thing.made(), clocked.module.Thing)
    assert clocked.read()["inner"][1] == 1
    assert isinstance(clocked.module.Heir.made(), clocked.module.Heir)
    assert clocked.read()["inherited"][1] == 1
    assert clocked.found() == 6


def test_a_part_that_raises_is_left(clocked: Clocked) -> None:
    with pytest.raises(ValueError, match="on purpose"):
        clocked.module.fails()
    clocked.module.work()
    assert clocked.read()["fails"][0] < _time_of(clocked, "inner")


async def test_a_coroutine_is_charged_for_its_steps_and_not_for_its_waits(clocked: Clocked) -> None:
    task = asyncio.create_task(clocked.module.waits())
    await asyncio.sleep(0)
    for _ in range(5):
        clocked.module.inner()  # while the other waits
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    assert await task == "cancelled"
    found = clocked.read()
    assert found["waits"][1] == 3
    assert found["waits"][0] < found["inner"][0] / 2


def _time_of(clocked: Clocked, part: str) -> int:
    """The nanoseconds that one call of the function of this name takes."""
    before = clocked.read()[part][0]
    getattr(clocked.module, part)()
    return clocked.read()[part][0] - before
