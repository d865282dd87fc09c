"""Thaws what is frozen when its parent is gone, even by SIGKILL: `python -IS thawer.py`.

Each line of its input names a process: `+PID` is about to be frozen, `-PID` runs again. It answers each with a line. At
the end of its input, which the kernel closes with the parent, it lets all that are frozen run. Standard library only.
"""

import os
import signal
import sys
from contextlib import suppress


def main() -> None:
    """Follow the parent until it has ended."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # they mean the parent, which ends it
    frozen: dict[int, int] = {}
    for line in sys.stdin:
        pid = int(line[1:])
        if line.startswith("+") and pid not in frozen:
            with suppress(ProcessLookupError):
                frozen[pid] = os.pidfd_open(pid)
        elif line.startswith("-") and pid in frozen:
            os.close(frozen.pop(pid))
        sys.stdout.write("\n")
        sys.stdout.flush()
    for descriptor in frozen.values():
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGCONT)


if __name__ == "__main__":
    main()
