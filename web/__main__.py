"""`python -m web`: one ingress process. Exits with 0 after SIGTERM at any time, with 2 for a bad setting."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # imports take a second, and a signal must work meanwhile
    from orchestrator.settings import Settings


def main() -> int:
    """Serve until a signal comes. Return the exit status."""
    # Until the server handles signals, there is nothing to finish. By default, process 1 of a container ignores them.
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
    """Configure the logs, create the application and serve it."""
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
