"""A finding: one thing that is as it should be, or not, in a sentence, and what to change."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from orchestrator.sentence import Code, Param, Sentence

Level = Literal["ok", "note", "warning", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """`message` is the fact, in a sentence; `advice` is what to change, or "".

    `note`: worth knowing. `warning`: calls are answered, but not as safely or as fast as they could be.
    `problem`: calls are or will be lost or refused. `code` and `params` are there if a page may show it.
    """

    check: str
    level: Level
    message: str
    advice: str = ""
    code: Code | None = None
    params: Mapping[str, Param] = field(default_factory=dict)

    @classmethod
    def saying(cls, check: str, level: Level, sentence: Sentence) -> "Finding":
        """Return the finding that says this sentence."""
        return cls(check, level, sentence.message, sentence.advice, sentence.code, sentence.params)
