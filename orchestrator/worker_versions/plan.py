"""The rollout plan: which versions of the workers get new calls. No I/O.

It is a hash in Redis. Scripts that queue new calls read its first four fields; the others are for people.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orchestrator.settings.checks import is_version_name

MOST_REMEMBERED = 20
"""How many versions a plan remembers to have given calls to."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How many turns were `seen`, and how many of them failed."""

    seen: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        """Return the part that failed, 0 to 1; 0 if none was seen."""
        return self.failed / self.seen if self.seen else 0.0


@dataclass(frozen=True, slots=True)
class AutomaticRollback:
    """Why a ramp was ended by the workers: what failed of the ramping version, and of the current one."""

    version: str
    ramping: Tally
    current: Tally

    def counts(self) -> str:
        """Return the counts as the middle of a sentence: the name of the current version follows."""
        ours, others = self.ramping, self.current
        return f"{ours.failed} of its last {ours.seen} turns failed, and {others.failed} of the last {others.seen}"


@dataclass(frozen=True, slots=True)
class RolloutPlan:
    """A plan. `revision` counts its changes; 0: there was never one. Times are the server's, in Unix seconds.

    `percent` of the new calls go to the version `ramping`, the others to `current`; "" is none. With neither, new calls
    are anyone's. `previous` was current before the last promotion. `ramp_began` tells a ramp from another one of the
    same version. `used` are the versions that plans have given calls to, the latest first. `rollback` says why the last
    ramp was ended, if workers ended it; a later change forgets it.
    """

    revision: int = 0
    current: str = ""
    ramping: str = ""
    percent: float = 0.0
    previous: str = ""
    ramp_began: float = 0.0
    used: tuple[str, ...] = ()
    rollback: AutomaticRollback | None = None
    changed_at: float = 0.0
    change: str = field(default="", compare=False)
    """Names the change that made this revision, so that a repeated write is known."""

    @property
    def is_active(self) -> bool:
        """True if the plan says where new calls go."""
        return bool(self.current or self.ramping)

    def next(self, **changes: object) -> "RolloutPlan":
        """Return the revision after this one."""
        plan = replace(self, **{"rollback": None, **changes, "revision": self.revision + 1})  # type: ignore[arg-type]
        named = [version for version in (plan.ramping, plan.current) if version]
        return replace(plan, used=tuple(dict.fromkeys((*named, *plan.used)))[:MOST_REMEMBERED])

    def changed(self, before: "RolloutPlan", at: float, change: str) -> "RolloutPlan":
        """Return the plan as it is written in the place of `before`."""
        begins = self.ramping and self.ramping != before.ramping
        return replace(self, changed_at=at, ramp_began=at if begins else self.ramp_began, change=change)

    def fields(self) -> dict[str, str]:
        """Return the fields of the hash, but `revision` and `change`."""
        found = {
            "current": self.current,
            "ramping": self.ramping,
            "percent": percent_text(self.percent),
            "previous": self.previous,
            "ramp_began": time_text(self.ramp_began),
            "used": " ".join(self.used),
            "changed_at": time_text(self.changed_at),
        }
        if (undone := self.rollback) is not None:
            found |= {
                "rolled_back": undone.version,
                "rolled_back_turns": f"{undone.ramping.seen} {undone.ramping.failed}",
                "current_turns": f"{undone.current.seen} {undone.current.failed}",
            }
        return found


def plan_of(fields: Mapping[str, str]) -> RolloutPlan:
    """Return the plan in the fields of a hash. What cannot be read counts as not set."""
    revision = _whole(fields.get("revision", ""))
    undone = _version(fields.get("rolled_back", ""))
    return RolloutPlan(
        revision=revision,
        current=_version(fields.get("current", "")),
        ramping=_version(fields.get("ramping", "")),
        percent=min(_number(fields.get("percent", "")), 100.0),
        previous=_version(fields.get("previous", "")),
        ramp_began=_number(fields.get("ramp_began", "")),
        used=tuple(filter(is_version_name, fields.get("used", "").split()))[:MOST_REMEMBERED],
        rollback=AutomaticRollback(
            undone, _tally(fields.get("rolled_back_turns", "")), _tally(fields.get("current_turns", ""))
        )
        if undone
        else None,
        changed_at=_number(fields.get("changed_at", "")),
        change=fields.get("change", ""),
    )


def percent_text(percent: float) -> str:
    """Return a percentage as people and scripts read it: 5, 0.5."""
    return f"{percent:.2f}".rstrip("0").rstrip(".")


def time_text(seconds: float) -> str:
    """Return a time as it is stored: equal times have equal texts."""
    return f"{seconds:.3f}"


def _number(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) and number > 0 else 0.0


def _version(text: str) -> str:
    return text if is_version_name(text) else ""


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0


def _tally(text: str) -> Tally:
    seen, _, failed = text.partition(" ")
    return Tally(_whole(seen), _whole(failed))
