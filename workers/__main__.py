"""`python -m workers`: one worker process. Exits 0 after SIGTERM, at any time; 2 when a setting stops it."""

import os
import signal
import sys


def main() -> int:
    """Run a worker until it is told to stop; the process's exit code."""
    # Until the worker takes the signals itself, there is nothing to finish: what is imported takes a second.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    from orchestrator.errors import BadAgent, BadSetting
    from workers.program import run

    try:
        run()
    except (BadSetting, BadAgent) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
