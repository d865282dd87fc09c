"""One thing the doctor found."""

from collections.abc import Iterable
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


def exit_code(findings: Iterable[Finding]) -> int:
    """Return 0 when nothing must be changed, 1 with warnings, 2 with problems."""
    levels = {finding.level for finding in findings}
    return 2 if "problem" in levels else 1 if "warning" in levels else 0
