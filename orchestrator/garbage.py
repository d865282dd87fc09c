"""When a process looks for garbage: objects that hold each other. All others are freed at once, without a search."""

import gc

YOUNG_OBJECTS = 20_000
"""The young objects are searched when there are so many more of them: a few megabytes. A hundred turns in flight hold
15,000. Python's 700 are what a few hold: a search would find nothing, and count what is in use among the old ones,
whose search takes 0.1 s or more with 1,000 calls."""
YOUNG_SEARCHES = 5
"""After so many searches those that have outlived one are searched, too. Python's 10 would let 200,000 wait for it."""


def begin_collecting() -> None:
    """Look for garbage from now on, but never in what is there already: what was imported stays."""
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, YOUNG_SEARCHES)
    gc.enable()
