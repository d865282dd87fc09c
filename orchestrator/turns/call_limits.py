"""How many calls may be active when another one begins.

Whom we rang is never told that all lines are busy: room for a placed call is looked for before it is placed. What the
API begins (placed calls, text conversations) gets a part of the lines only, so that one key cannot keep callers out:
telephony calls that trunk reservation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.settings import Settings

PLACED = "outbound"
"""How the direction of a call that was placed begins."""
RESERVED_SHARE = 4
"""One line in so many is kept for callers, where nothing else is set."""


def api_share(max_active_calls: int | None) -> int | None:
    """Return how many calls may be active when the API begins one, if only the limit of all calls is known."""
    if max_active_calls is None:
        return None
    return max(1, max_active_calls - max(1, max_active_calls // RESERVED_SHARE))


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits; None: there is none. `api` is for what the API begins."""

    all: int | None = None
    api: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "CallLimits":
        """The limits of a deployment."""
        share = api_share(settings.max_active_calls)
        return cls(settings.max_active_calls, settings.api_max_active_calls or share)

    @property
    def for_api(self) -> int | None:
        """The limit for a call that the API begins."""
        return min((limit for limit in (self.all, self.api) if limit is not None), default=None)

    def for_opening(self, opening: Mapping[str, Any]) -> int | None:
        """The limit for a call that begins with these fields."""
        if str(opening.get("direction", "")).startswith(PLACED):
            return None
        return self.for_api if opening.get("channel") == "api" else self.all
