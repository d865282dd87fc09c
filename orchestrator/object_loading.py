"""Loads the users' objects that settings name as `package.module:object`: `AGENT`, `LLM_TOOLS`, `STATE_MANAGER`."""

import inspect
import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from orchestrator.error_location import described
from orchestrator.errors import BadSetting, VoiceAgentError

REQUIREMENTS = {
    "pydantic_ai": "pydantic-ai-slim[openai]>=2.68,<3",
    "langgraph": "langgraph>=1.2,<2",
    "agents": "openai-agents>=0.24,<0.25",
}
"""What to install for a module of a framework that is missing: an extra of ours, as pyproject.toml has it."""


def load_object(name: str, variable: str, error: type[VoiceAgentError] = BadSetting) -> Any:
    """Return the object that `name` names: `package.module:object`, or the module itself for `package.module`.

    Dots after the colon name an attribute of the object. The current directory is importable. Raise `error` if there is
    no such object or its module cannot be imported. The message begins with `variable`, the setting that holds `name`,
    and includes the file and line of the user's code that failed.
    """
    given = f"{variable}={name}"
    if not is_object_name(name):
        raise error(f"{given} names nothing. Use package.module:object.")
    module_name, _, path = name.partition(":")
    found: Any = _import(given, module_name, error)
    for attribute in path.split(".") if path else ():
        try:
            found = getattr(found, attribute)
        except AttributeError:
            raise error(f"{given}: {description_of(found)} has no {attribute!r}. Check the name.") from None
    return found


def is_object_name(name: str) -> bool:
    """True if `name` has the form `package.module:object` or `package.module`."""
    return all(part.isidentifier() for half in name.split(":", 1) for part in half.split("."))


def description_of(found: object) -> str:
    """Return what an error message calls `found`: its qualified name, or "an object of type …"."""
    if inspect.ismodule(found):
        return f"the module {found.__name__}"
    return str(getattr(found, "__qualname__", None) or f"an object of type {type(found).__name__}")


def _import(given: str, module_name: str, error: type[VoiceAgentError]) -> ModuleType:
    directory = os.getcwd()
    if directory not in sys.path:
        sys.path.insert(0, directory)  # as `python -m` does; the installed command would not find the user's file
    try:
        return import_module(module_name)
    except ModuleNotFoundError as missing:
        if missing.name is None or not f"{module_name}.".startswith(f"{missing.name}."):
            needs = f"{module_name} needs the module {missing.name!r}"
            raise error(f"{given}: {needs}. {_how_to_install(missing.name)} {described(missing)}") from missing
        raise error(
            f"{given}: there is no module {missing.name!r} here. Start from the directory that holds it, or install it."
        ) from None
    except (Exception, SystemExit) as failure:  # whatever the user's module raises while it is imported
        raise error(f"{given}: importing {module_name} failed: {described(failure)}") from failure


def _how_to_install(module: str | None) -> str:
    requirement = REQUIREMENTS.get((module or "").partition(".")[0])
    return f"Install it: pip install '{requirement}'." if requirement else "Install it."
