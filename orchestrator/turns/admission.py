"""`Limits`: how many calls there may be when another one begins."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.routes.admission import Admission
from orchestrator.turns.call_limits import PLACED
from orchestrator.turns.call_rates import Counted


@dataclass(frozen=True, slots=True)
class Limits:
    """What limits a call that is to begin: how many calls there may be in `all`, and `most` that are `limited_as` it.

    `begun` is as what it counts among the calls that have begun lately.

    None: any number. "": no limit of its own.
    """

    all: int | None = None
    limited_as: str = ""
    most: int | None = None
    begun: Counted | None = None

    @classmethod
    def of(
        cls,
        all_calls: int | None,
        admission: Admission | None,
        opening: Mapping[str, Any] | None,
        begun: Counted | None = None,
    ) -> "Limits":
        """Return the limits of a turn that brings `opening`, with the limit of all calls and its own.

        A call that we placed counts and is not refused: that was decided before a person was rung up.
        """
        if opening is None or admission is None:
            return cls(all_calls, begun=begun)
        is_placed = str(opening.get("direction", "")).startswith(PLACED)
        return cls(all_calls, admission.limited_as, None if is_placed else admission.max_calls, begun)
