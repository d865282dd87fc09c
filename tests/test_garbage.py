"""Garbage is looked for rarely, and not left alone."""

import subprocess
import sys

import pytest

from orchestrator.garbage import YOUNG_OBJECTS

pytestmark = pytest.mark.processes

PROGRAM = """
import gc
gc.disable()
from orchestrator.garbage import begin_collecting
begin_collecting()
searches = []
gc.callbacks.append(lambda phase, info: searches.append(phase) if phase == "start" else None)
class Node: pass
turns_in_flight = [[] for _ in range(15_000)]
del turns_in_flight
print(len(searches))
most = 0
for _ in range(100_000):
    one, other = Node(), Node()
    one.other, other.other = other, one
    most = max(most, gc.get_count()[0])
del one, other
print(sum(type(it) is Node for it in gc.get_objects()), most)
"""


def test_what_is_in_use_is_not_searched_and_what_holds_itself_is_freed() -> None:
    ended = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    searches, left, most = map(int, ended.stdout.split())
    assert searches == 0, "objects that turns in flight hold were searched"
    assert left <= most <= YOUNG_OBJECTS + 100
