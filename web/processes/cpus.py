"""How many CPUs this process may use: its affinity, and the CPU quota of its control groups."""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path


def available_cpus(root: Path = Path("/")) -> int:
    """Return the number of whole CPUs, at least 1. `root` is where `proc` and `sys` are.

    A quota of 1.5 CPUs counts as 1: a second process would use up the quota and stop both until the next period.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = min(_quotas(root), default=math.inf)
    return max(1, allowed if quota >= allowed else math.floor(quota))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPU quotas of this process's control groups and their parents, in CPUs."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    mount = root / "sys/fs/cgroup"
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _along(mount, path, _quota_of_version_2)
        elif "cpu" in controllers.split(","):
            yield from _along(mount / controllers, path, _quota_of_version_1)
            yield from _along(mount / "cpu", path, _quota_of_version_1)


def _along(mount: Path, path: str, read: Callable[[Path], float]) -> Iterator[float]:
    """Yield the quota of each group from `path` up to `mount`. In a container, `path` may be that of the host."""
    inner = Path(path.lstrip("/"))
    for group in (inner, *inner.parents):
        try:
            quota = read(mount / group)
        except (OSError, ValueError):
            continue
        if quota > 0:
            yield quota


def _quota_of_version_2(group: Path) -> float:
    quota, period = (group / "cpu.max").read_text().split()
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_of_version_1(group: Path) -> float:
    quota = int((group / "cpu.cfs_quota_us").read_text())
    return math.inf if quota < 0 else quota / int((group / "cpu.cfs_period_us").read_text())
