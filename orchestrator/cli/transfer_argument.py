"""`--transfer`: what becomes of a transfer in `voiceagent call`."""

from argparse import ArgumentTypeError
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.provider_simulator.colleagues import Behaviour, Colleagues

OUTCOMES: Mapping[str, "Behaviour"] = {
    "answered": "answers",
    "declined": "declines",
    "no-answer": "does-not-answer",
    "busy": "is-busy",
    "failed": "fails",
}


@dataclass(frozen=True)
class TransferOutcome:
    """What somebody does who is rung: the one at `number`, or everybody else."""

    number: str
    behaviour: "Behaviour"


def transfer_outcome(text: str) -> TransferOutcome:
    """Read `OUTCOME` or `NUMBER=OUTCOME`. Raise `ArgumentTypeError`."""
    number, _, outcome = text.rpartition("=")
    if outcome not in OUTCOMES:
        raise ArgumentTypeError(f"{outcome!r} is none of {', '.join(OUTCOMES)}")
    return TransferOutcome(number, OUTCOMES[outcome])


def colleagues(outcomes: Iterable[TransferOutcome], talk_seconds: float) -> "Colleagues":
    """Return the people whom transfers ring; a later outcome replaces an earlier one. Who is not named answers."""
    from orchestrator.provider_simulator.colleagues import Colleague, Colleagues

    by_number = {outcome.number: Colleague(outcome.behaviour, talk_seconds=talk_seconds) for outcome in outcomes}
    rest = by_number.pop("", Colleague(talk_seconds=talk_seconds))
    return Colleagues(by_number, rest)
