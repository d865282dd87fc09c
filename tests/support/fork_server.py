"""A Python that has imported a program's modules and forks itself into that program as often as it is asked to.

To import the product takes ten times the processor time that its start takes otherwise. A child is a process as any
other: it has its own environment, directory, arguments and standard streams, and runs the program's `__main__`.
`support/module_process.py` speaks with it. Run as `python fork_server.py FD MODULE…`: the descriptor is a socket.
"""

import ctypes
import fcntl
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import struct
import sys
import termios
import time
from typing import Any

LENGTH = struct.Struct("!I")
DESCRIPTORS = 4
"""With a request to start come standard input, output and error, and a pipe that is closed once the child is set up."""
PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the other side is gone; in a child, be the program."""
    control = socket.socket(fileno=int(sys.argv[1]))
    for module in sys.argv[2:]:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()  # or the collections of each child would copy every page
    named = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[:] = [place for place in sys.path[1:] if place not in named]  # [0] is where this script lies
    request = _serve(control)
    if request is not None:
        runpy.run_module(request["module"], run_name="__main__", alter_sys=True)


def _serve(control: socket.socket) -> dict[str, Any] | None:
    """Answer requests. Return None at their end, and in each child what it shall be."""
    server = os.getpid()
    while True:
        message, descriptors = _receive(control)
        if message is None:
            return None
        if "wait" in message:
            pid, status = os.waitpid(message["wait"], os.WNOHANG)
            answer = {"status": os.waitstatus_to_exitcode(status) if pid else None}
        else:
            pid = os.fork()
            if pid == 0:
                control.close()
                _become(message, descriptors, server)
                return message
            for descriptor in descriptors:
                os.close(descriptor)
            answer = {"pid": pid}
        control.sendall(json.dumps(answer).encode() + b"\n")


def _receive(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    head, descriptors, _, _ = socket.recv_fds(control, LENGTH.size, DESCRIPTORS)
    if not head:
        return None, []
    head += control.recv(LENGTH.size - len(head), socket.MSG_WAITALL)
    return json.loads(control.recv(LENGTH.unpack(head)[0], socket.MSG_WAITALL)), descriptors


def _become(request: dict[str, Any], descriptors: list[int], server: int) -> None:
    """Be as if the interpreter had just been started for the request."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != server:
        os._exit(1)
    if request["new_session"]:
        os.setsid()
    for standard, descriptor in enumerate(descriptors[:3]):
        os.dup2(descriptor, standard)
    if request["controls_terminal"]:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(request["directory"])
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get("PYTHONDONTWRITEBYTECODE"))
    added = os.environ.get("PYTHONPATH", "")
    sys.path[:0] = [os.getcwd(), *(os.path.abspath(entry) for entry in added.split(os.pathsep) if added)]
    importlib.invalidate_caches()
    sys.argv = [request["module"], *request["arguments"]]
    for descriptor in descriptors:
        os.close(descriptor)


if __name__ == "__main__":
    main()
