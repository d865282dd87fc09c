"""Run a program with clocks around chosen functions: `python probe.py MODULE`.

Wants in the environment `PROBE_PARTS`, a JSON object of names of parts and the functions of each, as
`package.module:Class.function`, and `PROBE_COUNTERS`, a file of three 64-bit numbers for each part: the nanoseconds of
processor time that the main thread has spent in it, how often it was entered, and how often it entered another one.
Time in a part that another part called belongs to the other. One more number tells how many of the functions the
program has; the others are left out.

It stands before the program's own imports, and so imports nothing but the standard library.
"""

import inspect
import json
import mmap
import os
import runpy
import sys
import threading
from collections.abc import Callable, Coroutine, Generator
from functools import wraps
from importlib.machinery import ModuleSpec, PathFinder
from time import thread_time_ns
from types import ModuleType, coroutine
from typing import Any

OUTSIDE = -1


class Counters:
    """The times of the parts. `enter` and `leave` are called in pairs by the main thread."""

    def __init__(self, path: str) -> None:
        with open(path, "r+b") as file:
            self._view = memoryview(mmap.mmap(file.fileno(), 0)).cast("q")
        self._stack = [OUTSIDE]
        self._since = 0
        self._thread = threading.get_ident()

    def is_main(self) -> bool:
        """Whether this is the thread that is measured."""
        return threading.get_ident() == self._thread

    def enter(self, part: int) -> None:
        """Charge what comes to `part`."""
        now, view, caller = thread_time_ns(), self._view, self._stack[-1]
        if caller != OUTSIDE:
            view[3 * caller] += now - self._since
            view[3 * caller + 2] += 1
        self._stack.append(part)
        view[3 * part + 1] += 1
        self._since = now

    def leave(self) -> None:
        """Charge what comes to the part that called this one."""
        now = thread_time_ns()
        self._view[3 * self._stack.pop()] += now - self._since
        self._since = now

    def found(self) -> None:
        """Count a function that has a clock now."""
        self._view[-1] += 1


class Clocks:
    """Puts clocks around the functions of modules as soon as they are imported. A finder for `sys.meta_path`."""

    def __init__(self, counters: Counters, parts: dict[str, list[str]]) -> None:
        self._counters = counters
        self._wanted: dict[str, list[tuple[str, int]]] = {}
        for number, functions in enumerate(parts.values()):
            for function in functions:
                module, _, name = function.partition(":")
                self._wanted.setdefault(module, []).append((name, number))

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return the module's spec with a loader that adds the clocks; None for other modules."""
        if name not in self._wanted or (spec := PathFinder.find_spec(name, path, target)) is None:
            return None
        loader = spec.loader
        assert loader is not None
        execute = loader.exec_module

        def exec_module(module: ModuleType) -> None:
            execute(module)
            for function, part in self._wanted[name]:
                self._add(module, function, part)

        loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec

    def _add(self, module: ModuleType, name: str, part: int) -> None:
        path, _, attribute = name.rpartition(".")
        owner = getattr(module, path, None) if path else module
        found = inspect.getattr_static(owner, attribute, None)
        if isinstance(found, classmethod):
            setattr(owner, attribute, classmethod(self._clocked(found.__func__, part)))
        elif found is not None:
            setattr(owner, attribute, self._clocked(found, part))
        else:
            return
        self._counters.found()

    def _clocked(self, function: Callable[..., Any], part: int) -> Callable[..., Any]:
        counters = self._counters

        @wraps(function)
        def clocked(*args: Any, **kwargs: Any) -> Any:
            if not counters.is_main():
                return function(*args, **kwargs)
            counters.enter(part)
            try:
                return function(*args, **kwargs)
            finally:
                counters.leave()

        @wraps(function)
        async def clocked_coroutine(*args: Any, **kwargs: Any) -> Any:
            return await _steps(function(*args, **kwargs), counters, part)

        return clocked_coroutine if inspect.iscoroutinefunction(function) else clocked


@coroutine
def _steps(running: Coroutine[Any, Any, Any], counters: Counters, part: int) -> Generator[Any, Any, Any]:
    """Await `running`, and charge each of its steps: while it waits, others have the thread."""
    step: Callable[[Any], Any] = running.send
    value: Any = None
    while True:
        counters.enter(part)
        try:
            waits_for = step(value)
        except StopIteration as ended:
            return ended.value
        finally:
            counters.leave()
        try:
            value, step = (yield waits_for), running.send
        except GeneratorExit:
            running.close()
            raise
        except BaseException as error:
            value, step = error, running.throw


def main() -> None:
    """Run the module that the command line names."""
    counters = Counters(os.environ["PROBE_COUNTERS"])
    sys.meta_path.insert(0, Clocks(counters, json.loads(os.environ["PROBE_PARTS"])))  # type: ignore[arg-type]
    sys.path[0] = os.getcwd()  # not the directory of this file
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
