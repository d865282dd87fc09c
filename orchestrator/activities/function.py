"""The function of an activity: found by its name, and given its arguments."""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from orchestrator.errors import BadActivity
from orchestrator.object_loading import load_object
from orchestrator.schedule.item import ActivityItem

KEY_PARAMETER = "idempotency_key"
"""The parameter that gets what is the same at every run of an activity."""


def function_of(name: str) -> Callable[..., Any]:
    """Return the function that `package.module:function` names. Raise `BadActivity`. It may take long: imports run."""
    return _loaded(name)


@cache
def _loaded(name: str) -> Callable[..., Any]:
    found = load_object(name, "StartActivity", BadActivity)
    if not callable(found):
        raise BadActivity(f"StartActivity={name} is no function.")
    function: Callable[..., Any] = found
    return function


def arguments_of(function: Callable[..., Any], item: ActivityItem) -> dict[str, Any]:
    """Return the keyword arguments: those of the agent, and the idempotency key if the function asks for it."""
    try:
        wants_key = KEY_PARAMETER in inspect.signature(function).parameters
    except (TypeError, ValueError):  # one that is written in C may not say
        wants_key = False
    return {**item.args, KEY_PARAMETER: item.idempotency_key} if wants_key else dict(item.args)
