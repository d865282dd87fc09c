"""What `voiceagent top` knows: the latest overview and the calls, kept up to date by the events of `GET /live`."""

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.client import ServerEvent

Row = Mapping[str, Any]

_FIRST = {"failing": 0, "slow": 1}


class LiveState:
    """The deployment as the server told it last. What a server of another version leaves out is taken as empty."""

    def __init__(self) -> None:
        self.overview: dict[str, Any] | None = None
        self.active = 0
        self._calls: dict[str, Row] = {}
        self._has_calls = False

    @property
    def is_whole(self) -> bool:
        """True once the overview and the calls have come."""
        return self.overview is not None and (self._has_calls or self.overview.get("active") is None)

    def take(self, event: ServerEvent) -> None:
        """Take note of an event."""
        if not isinstance(event.data, dict):
            return
        if event.name == "overview":
            self.overview = event.data
        elif event.name == "calls":
            self._take_calls(event.data)

    def calls(self) -> Sequence[Row]:
        """Return the calls: those that fail first, then the slow ones, then the newest."""
        newest = sorted(self._calls.values(), key=lambda row: str(row.get("created_at", "")), reverse=True)
        return sorted(newest, key=lambda row: _FIRST.get(str(row.get("health")), 2))

    def call(self, call_sid: str) -> Row | None:
        """Return the call; None once it is over."""
        return self._calls.get(call_sid)

    def items(self, name: str) -> list[Row]:
        """Return a list of the overview, such as `processes`; nothing for what is no list."""
        found = (self.overview or {}).get(name)
        return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []

    def _take_calls(self, data: Mapping[str, Any]) -> None:
        self._has_calls = True
        if data.get("reset"):
            self._calls.clear()
        for row in data.get("changed") or ():
            self._calls[str(row.get("call_sid"))] = row
        for call_sid in data.get("gone") or ():
            self._calls.pop(str(call_sid), None)
        active = data.get("active")
        self.active = active if isinstance(active, int) else len(self._calls)
