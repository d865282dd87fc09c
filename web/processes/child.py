"""`python -m web.processes.child NUMBER SUPERVISOR CHANNEL SOCKETS`: one of several web processes on a port.

`SUPERVISOR` is a process id, `CHANNEL` the descriptor of the socket to it, and `SOCKETS` are those of the listening
sockets, separated by commas. Exits like `python -m web`, and drains when its supervisor has died.
"""

import ctypes
import os
import signal
import socket
import sys

from web.processes.link import SupervisorLink
from web.program import main

PR_SET_PDEATHSIG = 1


def inherited(descriptor: int) -> socket.socket:
    """Return a socket that the supervisor has passed on. What this process starts does not inherit it."""
    opened = socket.socket(fileno=descriptor)
    opened.set_inheritable(False)
    opened.setblocking(False)
    return opened


def leave_with(supervisor: int) -> None:
    """Have Linux send SIGTERM when the supervisor dies, also while this process has no event loop yet."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != supervisor:
        os._exit(0)


if __name__ == "__main__":
    number, supervisor, channel = map(int, sys.argv[1:4])
    leave_with(supervisor)
    sockets = [inherited(int(descriptor)) for descriptor in sys.argv[4].split(",")]
    sys.exit(main(f"web.{number}", SupervisorLink(inherited(channel), sockets)))
