"""What `make test` gives to one process: a test that starts all it needs, else a whole module.

A module whose tests share a fixture, or that is done in an instant, stays in one process.
"""

from xdist.scheduler import LoadFileScheduling

SPREAD = (
    "tests/canaries/test_short_run.py", "tests/chaos/test_chaos_command.py", "tests/cli/", "tests/faults/",
    "tests/load/", "tests/workers/",
)  # fmt: skip
"""Their tests start processes of their own and wait for them for seconds."""
TOGETHER = ("tests/cli/test_dead_letters.py", "tests/cli/test_doctor_names.py", "tests/cli/test_main.py")
WAITING = ("tests/faults/test_short_soak.py", "tests/faults/test_split_brain.py", "tests/workers/test_idle.py")
"""They wait for a minute each and compute little. One process begins with them, and the others compute meanwhile."""
PLACES = "tests/workers/test_damaged_keys.py"
"""Its tests share a server or a cluster, each with a worker."""
READERS = "tests/architecture/"
"""Most of its modules read the whole source, which is parsed once in a process."""
APART = ("tests/architecture/test_pattern_growth.py", "tests/architecture/test_readme.py")


class Scheduler(LoadFileScheduling):
    """Gives each idle process the next test, or the next module."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path in WAITING:
            return "those that wait"
        if path.startswith(READERS) and path not in APART:
            return READERS
        if path == PLACES:
            return f"{path} on a cluster" if "[a cluster" in nodeid else path
        return nodeid if path.startswith(SPREAD) and path not in TOGETHER else path
