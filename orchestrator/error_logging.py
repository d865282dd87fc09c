"""What may be logged of an error whose text may hold what a caller said: its kind and its place.

An agent's `ValueError(f"no such day: {turn.text}")`, and what a tool, a model's client or a parser raises, quote the
caller. So the log has the kinds and the places; text and traceback follow at DEBUG, where callers' words may be.
"""

import logging
import traceback
from collections.abc import Callable, Mapping

from orchestrator.errors import AgentRaised

MOST_CALLS = 8
_LONGEST_CHAIN = 5


def log(
    level: int,
    logger: logging.Logger,
    message: str,
    *arguments: object,
    error: BaseException,
    extra: Mapping[str, object] | None = None,
    hide: Callable[[str], str] | None = None,
) -> None:
    """Log `message` formatted with `arguments` and, last, the kind of `error`; the field `where` says where it was
    raised. `hide` returns a text without what not even DEBUG may show."""
    about = {**(extra or {}), "where": where_raised(error)}
    logger.log(level, message, *arguments, kind_of(error), extra=about)
    if logger.isEnabledFor(logging.DEBUG):
        told = f":\n{error.text}" if isinstance(error, AgentRaised) else ""
        if hide is not None:
            told = hide(told or f":\n{''.join(traceback.format_exception(error))}")
        call = {name: value for name, value in (extra or {}).items() if name in ("call_sid", "turn_id")}
        logger.debug("What was raised%s", told, exc_info=None if told else error, extra=call)


def kind_of(error: BaseException) -> str:
    """Return `ValueError`, or with its cause `RuntimeError from KeyError`."""
    if isinstance(error, AgentRaised):
        return error.kind
    kinds: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(kinds) < _LONGEST_CHAIN:
        kinds.append(type(seen).__name__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return " from ".join(kinds)


def where_raised(error: BaseException) -> str:
    """Return the calls that led to it, from the agent's own on: `shop.py:12 in reply > client.py:88 in get`."""
    if isinstance(error, AgentRaised):
        return error.where
    return shown_calls(list(traceback.extract_tb(error.__traceback__)))


def shown_calls(frames: list[traceback.FrameSummary]) -> str:
    """Return the same for a stack."""
    ours = [i for i, frame in enumerate(frames) if frame.filename.endswith("agents/agent_run.py")]
    theirs = frames[ours[-1] + 1 :] if ours else []
    shown = (theirs or frames[-1:])[:MOST_CALLS]
    return " > ".join(f"{f.filename.rpartition('/')[2]}:{f.lineno} in {f.name}" for f in shown)
