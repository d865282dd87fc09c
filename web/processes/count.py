"""How many web processes serve on the port."""

import sys

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings
from orchestrator.settings.checks import MOST_PROCESSES
from web.processes.cpus import available_cpus


def process_count(settings: Settings) -> int:
    """Return the number of `WEB_PROCESSES`; for `auto` that of the CPUs, or 1 where calls are kept in memory.

    Raise `BadSetting` when several processes are asked for, and calls would be kept in the memory of each.
    """
    in_memory = _kept_in_memory(settings)
    if settings.web_processes == "auto":
        return 1 if in_memory or sys.platform == "win32" else min(available_cpus(), MOST_PROCESSES)
    if settings.web_processes > 1:
        if in_memory:
            raise BadSetting(
                f"WEB_PROCESSES: got {settings.web_processes}; with {in_memory} calls are kept in the memory of one "
                "process, and another would not know them. Set USE_REDIS=true and REDIS_URL, or WEB_PROCESSES=1."
            )
        if sys.platform == "win32":
            raise BadSetting("WEB_PROCESSES: several processes cannot share a port on Windows. Set WEB_PROCESSES=1.")
    return settings.web_processes


def _kept_in_memory(settings: Settings) -> str:
    """Return the setting that keeps calls in memory, or ""."""
    if not settings.use_redis:
        return "USE_REDIS=false"
    percent = settings.redis_rollout_percent
    return f"REDIS_ROLLOUT_PERCENT={percent:g}" if percent < 100 else ""
