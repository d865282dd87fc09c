"""Turns this process into the supervisor of several web processes, once settings and port have proved to be right."""

import asyncio
import os
import signal
import sys
from typing import NoReturn

from orchestrator.settings import Settings
from web.binding import bound_sockets, listening_host
from web.processes.plan import Plan

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def become_supervisor(settings: Settings, processes: int) -> NoReturn:
    """Bind the port, and replace this program by the supervisor, which keeps the process id. Raise `BadSetting`.

    The supervisor is a program of its own because it lives as long as the deployment: it imports a tenth of what
    reading the settings takes.
    """
    sockets = asyncio.run(bound_sockets(listening_host(settings), settings.port))
    for bound in sockets:
        bound.set_inheritable(True)
    plan = Plan(
        processes=processes,
        sockets=[bound.fileno() for bound in sockets],
        drain_seconds=settings.drain_delay_seconds + settings.drain_timeout_seconds,
        log_level=settings.log_level,
        log_format=settings.log_format,
        python=interpreter_options(),
    )
    # A signal that comes while no program handles it waits until the supervisor does.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    command = [sys.executable, *plan.python, "-m", "web.processes", plan.as_argument()]
    os.execv(sys.executable, command)


def interpreter_options() -> list[str]:
    """Return the options that this interpreter was started with, such as `-W error`."""
    given = sys.orig_argv[1:]
    return given[: given.index("-m")] if "-m" in given else []
