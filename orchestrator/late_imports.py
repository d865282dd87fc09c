"""Imports other people's modules when they are first used, where what we need imports them and we do not need them."""

import sys
import threading
from importlib import import_module
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

_lock = threading.Lock()


class LateModule(ModuleType):
    """Stands for a module until something of it is asked for. Then the module is imported, and takes its place."""

    def __getattr__(self, name: str) -> Any:
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
        module = import_module(self.__name__)
        for known, value in vars(self).items():  # submodules that were imported meanwhile
            vars(module).setdefault(known, value)
        return getattr(module, name)


def import_when_used(name: str) -> None:
    """Let `import NAME`, wherever it stands, run the module only when something of it is first asked for.

    Do nothing if it is imported already, or not installed. (`importlib.util.LazyLoader` does not do it: it runs the
    module at the next `import NAME`.)
    """
    if name in sys.modules or (spec := find_spec(name)) is None:
        return
    module = module_from_spec(spec)
    module.__class__ = LateModule
    sys.modules[name] = module
