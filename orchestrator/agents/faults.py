"""What may be said of an agent's error where callers' words may not: its kind and its place, never its text."""

import traceback

from orchestrator.errors import AgentRaised

MOST_CALLS = 8
_LONGEST_CHAIN = 5


def kind_of(error: BaseException) -> str:
    """`ValueError`, or with what caused it `RuntimeError from KeyError`."""
    if isinstance(error, AgentRaised):
        return error.kind
    kinds: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(kinds) < _LONGEST_CHAIN:
        kinds.append(type(seen).__name__)
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return " from ".join(kinds)


def where_raised(error: BaseException) -> str:
    """The calls that led to it, from the agent's own on: `shop.py:12 in reply > client.py:88 in get`."""
    if isinstance(error, AgentRaised):
        return error.where
    return shown_calls(list(traceback.extract_tb(error.__traceback__)))


def shown_calls(frames: list[traceback.FrameSummary]) -> str:
    """The same of a stack."""
    ours = [i for i, frame in enumerate(frames) if frame.filename.endswith("agents/performance.py")]
    theirs = frames[ours[-1] + 1 :] if ours else []
    shown = (theirs or frames[-1:])[:MOST_CALLS]
    return " > ".join(f"{f.filename.rpartition('/')[2]}:{f.lineno} in {f.name}" for f in shown)
