"""A finding: one thing that is as it should be, or not, in a sentence, and what to change."""

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`message` is the fact, in a sentence; `advice` is what to change, or "".

    `note`: worth knowing. `warning`: calls are answered, but not as safely or as fast as they could be.
    `problem`: calls are or will be lost or refused.
    """

    check: str
    level: Level
    message: str
    advice: str = ""
