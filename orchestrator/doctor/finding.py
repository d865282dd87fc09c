"""One thing the doctor found."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`message` is what holds, in a sentence; `advice` what to change, "" where nothing must be.

    `note`: worth knowing. `warning`: calls are answered, but not as safely or as fast as they could be.
    `problem`: calls are or will be lost or refused.
    """

    check: str
    level: Level
    message: str
    advice: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """0 when nothing must be changed, 1 with warnings, 2 with problems."""
    levels = {finding.level for finding in findings}
    return 2 if "problem" in levels else 1 if "warning" in levels else 0
