"""Runs one ingress in this process."""

import asyncio
import gc
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imports take a second, and a signal must work meanwhile
    from orchestrator.settings import Settings
    from web.processes.link import SupervisorLink


def main(name: str, link: "SupervisorLink | None" = None) -> int:
    """Serve until a signal comes. Return the exit status.

    `name` is this process's in the logs. With `link` it is one of several processes on a port.
    """
    # Until the server handles signals, there is nothing to finish. By default, process 1 of a container ignores them.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    gc.disable()  # what is imported stays: to search it for garbage is a tenth of the start
    from orchestrator.errors import BadAgent, BadSetting
    from orchestrator.settings import load_settings

    try:
        settings = load_settings()
        if link is None and settings.web_processes != 1:
            _supervise_several(settings)
        run(settings, name, link)
    except (BadSetting, BadAgent) as error:
        sys.stderr.write(f"{error}\n")  # there is no log yet
        return 2
    return 0


def run(settings: "Settings", name: str, link: "SupervisorLink | None") -> None:
    """Configure the logs, create the application and serve it."""
    from orchestrator import tracing
    from orchestrator.garbage import begin_collecting
    from orchestrator.logs import configure_logging

    configure_logging(settings, name)
    tracing.start(settings, "web")
    from web.app import create_app
    from web.server import serve

    app = create_app(settings)
    begin_collecting()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(serve(app, settings, link))
    finally:
        tracing.stop()


def _supervise_several(settings: "Settings") -> None:
    """Become the supervisor of several processes, and do not return, if the settings ask for them. Raise
    `BadSetting`."""
    from web.processes.count import process_count

    if (processes := process_count(settings)) > 1:
        from web.processes.launch import become_supervisor

        become_supervisor(settings, processes)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop
