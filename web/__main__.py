"""`python -m web`: one ingress process. Exits 0 after SIGTERM, at any time; 2 when a setting stops it."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what is imported takes a second, in which a signal must be heeded
    from orchestrator.settings import Settings


def main() -> int:
    """Serve until told to stop; the exit status."""
    # Until the server takes the signals, there is nothing to finish. Process 1 of a container would not even be ended.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    from orchestrator.errors import BadAgent, BadSetting
    from orchestrator.settings import load_settings

    try:
        run(load_settings())
    except (BadSetting, BadAgent) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


def run(settings: "Settings") -> None:
    """Set up the logs, build the application and serve it."""
    from orchestrator.logs import configure_logging

    configure_logging(settings, "web")
    from web.app import create_app
    from web.server import serve

    app = create_app(settings)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(serve(app, settings))


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    if sys.platform == "win32":
        return None
    import uvloop

    return uvloop.new_event_loop


if __name__ == "__main__":
    sys.exit(main())
