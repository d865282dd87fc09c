"""`FrameworkOptions`: what the settings say of agents that were made with a framework."""

from dataclasses import dataclass


@dataclass(frozen=True)
class FrameworkOptions:
    """How many characters of a call a model gets, and after how many seconds an answer ends, so that the state keeps
    what tools did; None: at the turn's deadline."""

    history_characters: int = 24_000
    answer_seconds: float | None = None
