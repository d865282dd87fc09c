"""What the cockpit has shown to who looked at it during a whole run. Times are Unix seconds."""

from dataclasses import dataclass, field
from typing import Any

from soak.spans import Span

Json = dict[str, Any]
STALL_SECONDS = 8.0
"""The overview comes each five seconds at least."""


@dataclass
class LivePage:
    """What `GET /live` of one ingress has shown: the `rows` now, when each call was there first and last left them,
    and when the page was `open`. `wrong` are sentences."""

    ingress: str
    rows: dict[str, Json] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)
    gone: dict[str, float] = field(default_factory=dict)
    opened: list[Span] = field(default_factory=list)
    overviews: int = 0
    stalls: int = 0
    wrong: list[str] = field(default_factory=list)
    _is_new: bool = True
    _since: float | None = None
    _heard: float | None = None

    def take(self, name: str, data: Json, at: float) -> None:
        """Show an event."""
        if name == "overview":
            self._note_stall(at)
            self.overviews += 1
            self._heard = at
        elif name == "calls":
            self._take_calls(data, at)
            self._since = self._since or at

    def close(self, at: float) -> None:
        """Note that the stream has ended; the rows stay until another one begins."""
        if self._since is not None:
            self.opened.append((self._since, at))
        self._since, self._heard, self._is_new = None, None, True

    def open_until(self, at: float) -> list[Span]:
        """Return when it showed the calls, as far as to `at`."""
        return [*self.opened, *([] if self._since is None else [(self._since, at)])]

    def _note_stall(self, at: float) -> None:
        """A page to which nothing came for too long showed nothing meanwhile: this machine was slow."""
        if self._since is not None and self._heard is not None and at - self._heard > STALL_SECONDS:
            self.opened.append((self._since, max(self._since, self._heard)))
            self._since = at
            self.stalls += 1

    def _take_calls(self, data: Json, at: float) -> None:
        if self._is_new and not data["reset"]:
            self.wrong.append(f"the first calls of a stream of {self.ingress} were no whole list")
        self._is_new = False
        if data["reset"]:
            self._remove([*self.rows], at)
        for row in data["changed"]:
            call_sid = row["call_sid"]
            self.rows[call_sid] = row
            self.shown.setdefault(call_sid, at)
            self.gone.pop(call_sid, None)
        self._remove(data["gone"], at)

    def _remove(self, call_sids: list[str], at: float) -> None:
        for call_sid in call_sids:
            if self.rows.pop(call_sid, None) is not None:
                self.gone[call_sid] = at


@dataclass
class Story:
    """What `GET /calls/{call_sid}/live` has shown of a call: the turns of the last state, and the turn that runs.

    Nobody has looked at it since `left_at`.
    """

    call_sid: str
    turns: list[str] = field(default_factory=list)
    version: int = -1
    states: int = 0
    tokens: int = 0
    ended_at: float | None = None
    left_at: float | None = None
    is_gone: bool = False
    running: str = ""
    said: str = ""
    wrong: list[str] = field(default_factory=list)

    def take(self, name: str, data: Json, at: float) -> None:
        """Show an event."""
        match name:
            case "state":
                self._take_state(data, at)
            case "running":
                self.running, self.said = data["turn_id"], data["said"]
            case "said":
                self._take_words(data)
            case "gone":
                self.is_gone = True

    def _take_state(self, state: Json, at: float) -> None:
        self.states += 1
        self.turns = [turn["turn_id"] for turn in state["turns"]]
        self.version = state["version"]
        if len(set(self.turns)) < len(self.turns):
            self.wrong.append(f"{self.call_sid}: a turn was shown twice: {self.turns}")
        if state["ended"] is not None and self.ended_at is None:
            self.ended_at = at

    def _take_words(self, data: Json) -> None:
        self.tokens += 1
        if data["turn_id"] != self.running or data["start"] > len(self.said):
            self.wrong.append(f"{self.call_sid}: {data} came while {self.running!r} had said {self.said!r}")
        self.said = self.said[: data["start"]] + data["text"]


@dataclass(frozen=True, slots=True)
class ShownLost:
    """`GET /processes` has shown a process as lost: which, and when."""

    pid: int
    at: float


@dataclass
class Polled:
    """What was asked for again and again: `pids` are those that processes told of themselves, by their ids;
    `told` is when an incident (by its id and kind) was told first."""

    pids: dict[str, int] = field(default_factory=dict)
    processes: list[Json] = field(default_factory=list)
    lost: list[ShownLost] = field(default_factory=list)
    incidents: dict[str, Json] = field(default_factory=dict)
    told: dict[tuple[str, str], float] = field(default_factory=dict)
    points: dict[str, Json] = field(default_factory=dict)
    counted_at: float = 0.0
    answers: int = 0

    def take(self, path: str, answer: Json, began: float, at: float) -> None:
        """Keep an answer that was asked for when it `began`."""
        self.answers += 1
        match path.partition("?")[0]:
            case "/processes":
                self.processes = answer["processes"]
                self.pids |= {it["id"]: it["pid"] for it in self.processes if it["pid"]}
                self.lost += [ShownLost(it["pid"], at) for it in self.processes if it["state"] == "lost"]
            case "/incidents":
                for incident in answer["incidents"]:
                    self.incidents[incident["id"]] = incident
                    self.told.setdefault((incident["id"], incident["kind"]), at)
            case "/history":
                self.points |= {point["at"]: point for point in answer["points"]}
                self.counted_at = began


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """An answer that was an error: of which ingress, to what, when it was asked for and came, and what it said."""

    ingress: str
    path: str
    began: float
    at: float
    status: int
    kind: str
