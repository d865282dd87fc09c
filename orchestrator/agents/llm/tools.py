"""The tools of the model: the built-in ones, and those that `LLM_TOOLS` names.

A tool is a plain or async Python function. The model sees its name, its docstring and its annotated parameters. Four
parameters are injected, and hidden from the model: `idempotency_key`, `turn`, `state`, and `sensitive_text`, which is
what the caller said or keyed in the last sensitive turn. The result goes to the model as JSON. If it is an action
(`HangUp()`, `Transfer(…)`), the action is carried out after the text so far.
"""

import inspect
from collections.abc import Callable, Sequence
from datetime import date, datetime
from types import ModuleType
from typing import Any

from orchestrator.agents.appointments import calendar
from orchestrator.agents.appointments.office_clock import OfficeClock, office_clock
from orchestrator.agents.appointments.wish import Wish
from orchestrator.conversation.actions import HangUp, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadAgent
from orchestrator.object_loading import load_object

ToolFunction = Callable[..., Any]

APPOINTMENTS_SLOT = "appointments"
"""The slot that holds the appointments made in this call."""
MOST_TIMES = 12


def built_in_tools(transfer_to: str | None, clock: OfficeClock = office_clock) -> list[ToolFunction]:
    """Return the tools `hang_up`, `look_up` and `book`, and `transfer` if there is a `transfer_to`."""

    def look_up(day: date | None = None) -> list[str]:
        """Free times for an appointment, the next ones or those on one day.

        Args:
            day: The day that is asked for; leave it out for the next free times.
        """
        today = clock().date()
        times = calendar.fitting(Wish(day=day), today) if day else calendar.free_slots(today)
        return [_as_iso(time) for time in times[:MOST_TIMES]]

    def book(time: datetime, name: str, reason: str, state: ConversationState) -> str:
        """Book an appointment. Only after the caller has agreed to the time, the name and the reason.

        Args:
            time: When it begins: one of the free times that were looked up.
            name: The caller's name.
            reason: Why they come.
        """
        booked: list[dict[str, str]] = state.slots.setdefault(APPOINTMENTS_SLOT, [])
        wanted = time.replace(tzinfo=None)
        if any(datetime.fromisoformat(known["time"]) == wanted for known in booked):
            return f"This call has booked {_as_iso(wanted)} already."
        if wanted not in calendar.free_slots(clock().date()):
            return f"{_as_iso(wanted)} is not free. Look up the free times."
        booked.append({"time": wanted.isoformat(), "name": name, "reason": reason})
        return f"Booked: {_as_iso(wanted)}."

    def transfer(reason: str = "") -> Transfer:
        """Connect the caller with a person. Tell them so first.

        Args:
            reason: What the caller wants of that person.
        """
        return Transfer(transfer_to or "", reason=reason)

    return [hang_up, look_up, book, *([transfer] if transfer_to else [])]


def hang_up(reason: str = "") -> HangUp:
    """End the call. Say goodbye first.

    Args:
        reason: Why it ends.
    """
    return HangUp(reason=reason)


def _as_iso(time: datetime) -> str:
    return f"{time:%Y-%m-%dT%H:%M} ({time:%A})"


def found_tools(names: str | None) -> list[ToolFunction]:
    """Return the functions that `LLM_TOOLS` names: `package.module:function` or `package.module`, separated by commas.

    A module stands for its public functions: those in `__all__` if it has one, else those it defines.
    Raise `BadAgent`.
    """
    return [tool for name in (names or "").split(",") if name.strip() for tool in _found(name.strip())]


def _found(name: str) -> Sequence[ToolFunction]:
    found = load_object(name, "LLM_TOOLS", BadAgent)
    if inspect.ismodule(found):
        return _functions_of(name, found)
    if not inspect.isroutine(found):
        raise BadAgent(
            f"LLM_TOOLS={name}: {type(found).__name__} is not a function. Name functions, or a module of them."
        )
    return [found]


def _functions_of(name: str, module: ModuleType) -> list[ToolFunction]:
    public = getattr(module, "__all__", None)
    functions: list[ToolFunction] = [
        function
        for attribute, function in vars(module).items()
        if inspect.isfunction(function)
        and (attribute in public if public is not None else _is_own(module, attribute, function))
    ]
    if not functions:
        raise BadAgent(f"LLM_TOOLS={name}: the module has no public functions. Define some, or name others.")
    return functions


def _is_own(module: ModuleType, attribute: str, function: Callable[..., Any]) -> bool:
    return not attribute.startswith("_") and function.__module__ == module.__name__
