"""Run a program that dies with its parent: `python -IS die_with_parent.py PARENT_PID PROGRAM [ARGUMENT…]`.

Linux sends SIGTERM when the parent dies, even by SIGKILL, and keeps this setting over exec. It is a separate program
because between fork and exec nothing but exec is safe. Standard library only.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Replace this process by `command`, unless `parent` has died already."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() == parent:
        os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
