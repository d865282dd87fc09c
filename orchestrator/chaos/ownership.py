"""Whether a deployment is one's own, on this machine. Nothing else is ever harmed.

What is refused cannot be allowed, but for production: who breaks that must say that they mean it.
"""

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from orchestrator.chaos.local_process import LocalProcess, local_process, variables_of
from orchestrator.errors import BadSetting
from orchestrator.settings import Settings
from orchestrator.settings.redis_url import parse_redis_url

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
MODULES = {"worker": ("workers",), "ingress": ("web", "web.processes.child")}
"""What `python -m` runs, by role."""
CLOCK_SECONDS = 2.0
"""A process reports its start after it; the clocks that tell both may differ by this much."""
PRODUCTION = frozenset({"ENVIRONMENT=production", "RENDER=true"})
YES = "--yes-this-is-mine"


class NotOurs(BadSetting):
    """This deployment is not harmed. The message says why."""


def check_target(url: str, settings: Settings, *, is_mine: bool) -> None:
    """Raise `NotOurs` if the server or the Redis is on another machine, or in production without `is_mine`."""
    if sys.platform != "linux":
        raise NotOurs("Chaos needs Linux: it looks in /proc whether a process is the deployment's.")
    if urlsplit(url).hostname not in LOOPBACK:
        raise NotOurs(f"{url} is not on this machine. Chaos harms only a deployment that runs where it runs itself.")
    if not settings.use_redis:
        raise NotOurs(
            "USE_REDIS is not true here. Set USE_REDIS=true and REDIS_URL as web has them, or have chaos start a "
            "deployment of its own: voiceagent chaos --start"
        )
    redis = parse_redis_url(settings.effective_redis_url())
    if redis.is_cluster or redis.is_sentinel:
        raise NotOurs(f"{redis} is several servers. Chaos harms only a deployment with one, on this machine.")
    if redis.scheme != "unix" and {host for host, _ in redis.hosts} - LOOPBACK:
        raise NotOurs(f"{redis} is not on this machine. Chaos harms only a deployment whose Redis is.")
    if settings.is_production and not is_mine:
        raise NotOurs(f"ENVIRONMENT is production here. If nobody's callers are on this machine, say so: {YES}")


def own_processes(reported: Iterable[Mapping[str, Any]], host: str, *, is_mine: bool) -> list[LocalProcess]:
    """Return the processes that the deployment reports, in that order. Raise `NotOurs` if one is not ours, or serves
    in production without `is_mine`."""
    return [_own_process(report, host, is_mine=is_mine) for report in reported]


def _own_process(report: Mapping[str, Any], host: str, *, is_mine: bool) -> LocalProcess:
    name = f"The {report['role']} {report['pid']} at {report['host']}"
    if report["host"] != host:
        raise NotOurs(
            f"{name} is not on this machine ({host}), and calls that are harmed here go on there. Chaos harms only "
            "deployments that run on one machine, and outside of containers."
        )
    process = local_process(int(report["pid"]))
    if process is None:
        raise NotOurs(f"{name} does not run here, though it says so. If it has just ended, try again in a moment.")
    if wrong := next(_differences(process, report), None):
        raise NotOurs(f"{name} is not what /proc says of that process: {wrong}. It is not harmed.")
    if not is_mine and PRODUCTION & variables_of(process.pid):
        raise NotOurs(f"{name} serves in production. If nobody's callers are on this machine, say so: {YES}")
    return process


def is_that_process(process: LocalProcess, report: Mapping[str, Any]) -> bool:
    """Return whether the process is the one that the report is of."""
    return next(_differences(process, report), None) is None


def _differences(process: LocalProcess, report: Mapping[str, Any]) -> Iterator[str]:
    if process.user != os.getuid():
        yield f"it belongs to another user ({process.user})"
    if process.started > started_at(report) + CLOCK_SECONDS:
        yield "it was started later"
    modules = MODULES.get(str(report["role"]), ())
    if not any(module in process.command for module in modules):
        yield f"it is {' '.join(process.command)[:80]!r}"


def started_at(report: Mapping[str, Any]) -> float:
    """Return when the process reports to have started, in Unix seconds."""
    from datetime import datetime

    return datetime.fromisoformat(str(report["started_at"])).timestamp()
