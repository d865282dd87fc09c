"""`python -m workers`: one worker process. Exits with 0 after SIGTERM, with 2 if a setting or the agent is wrong."""

import gc
import os
import signal
import sys


def main() -> int:
    """Run a worker until a signal stops it. Return the exit code of the process."""
    # The imports below take a second. Until the worker handles the signals itself, there is nothing to finish.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))
    gc.disable()  # what is imported stays: to search it for garbage is a tenth of the start
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
