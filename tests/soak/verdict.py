"""What the audit has found."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Verdict:
    """What was found. The lists hold a sentence for each finding, and must stay empty.

    `late`: timers that went off too late. `dead`: words heard on a relay of a run that was over, or of a reply that had
    been cut off. `untrue`: what the cockpit has shown that was not so. `relay` counts what happened on relays, `sinks`
    what sinks were told, `desks` what agents and tenants did, `versions` who ran what, `living` what happened by
    itself, `cockpit` what was looked at there. `named_after` is how many seconds after its end each killed process was
    named. `states` are those of the calls, as the API shows them, `unheard` those of calls that no caller knows.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    reordered: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    dead: list[str] = field(default_factory=list)
    left_behind: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    untrue: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    relay: Counter[str] = field(default_factory=Counter)
    sinks: Counter[str] = field(default_factory=Counter)
    desks: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    living: Counter[str] = field(default_factory=Counter)
    cockpit: Counter[str] = field(default_factory=Counter)
    named_after: list[float] = field(default_factory=list)
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    unheard: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def findings(self) -> list[str]:
        """All of them."""
        return [
            *self.wrong, *self.untrue, *self.late, *self.dead, *self.reordered, *self.left_behind, *self.lost,
            *self.doubled,
        ]  # fmt: skip
