"""How many calls may be active when another one begins.

The limit is checked before an outbound call is placed, so that a person who was called never hears that all lines are
busy. Calls that the API begins (outbound calls, text conversations) may use only a share of the lines, so that one API
key cannot lock callers out. In telephony that is trunk reservation.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.settings import Settings

PLACED = "outbound"
"""The prefix of the `direction` of outbound calls."""
RESERVED_SHARE = 4
"""By default one line in four is reserved for callers."""


def api_share(max_active_calls: int | None) -> int | None:
    """Return the limit for calls that the API begins, if only the limit of all calls is set."""
    if max_active_calls is None:
        return None
    return max(1, max_active_calls - max(1, max_active_calls // RESERVED_SHARE))


@dataclass(frozen=True, slots=True)
class CallLimits:
    """The limits of all calls and of those that the API begins. None: no limit."""

    all: int | None = None
    api: int | None = None

    @classmethod
    def of(cls, settings: Settings) -> "CallLimits":
        """Return the limits that `settings` say."""
        share = api_share(settings.max_active_calls)
        return cls(settings.max_active_calls, settings.api_max_active_calls or share)

    @property
    def for_api(self) -> int | None:
        """Return the limit that applies to a call that the API begins."""
        return min((limit for limit in (self.all, self.api) if limit is not None), default=None)

    def for_opening(self, opening: Mapping[str, Any]) -> int | None:
        """Return the limit that applies to a call whose first turn has these fields of `opening`."""
        if str(opening.get("direction", "")).startswith(PLACED):
            return None
        return self.for_api if opening.get("channel") == "api" else self.all
