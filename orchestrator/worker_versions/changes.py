"""What operators may change of a rollout plan, and why not. No I/O.

Each function returns the next plan, or raises `BadRollout` with one sentence. `running` are the versions of the living
workers that do not drain.
"""

from collections.abc import Collection

from orchestrator.errors import BadRollout
from orchestrator.sentence import Sentence
from orchestrator.settings.checks import LONGEST_VERSION, is_version_name
from orchestrator.worker_versions.plan import RolloutPlan, percent_text

LONGEST_PERCENT = 8
"""Characters of a percentage."""
STEPS = 100
"""A percentage has two decimals at most."""


def percent_in(text: str) -> float:
    """Return the percentage in `text`: more than 0, at most 100, with or without a percent sign."""
    digits = text.strip().removesuffix("%").strip()
    whole, _, part = digits.partition(".")
    is_number = digits.isascii() and len(digits) <= LONGEST_PERCENT and (whole + part).isdecimal() and len(part) <= 2
    percent = float(digits) if is_number else 0.0
    if not 0 < percent <= 100:
        raise BadRollout(
            f"{_shown(text)} is no percentage: say a number above 0 and at most 100, such as 5% or 0.5%. "
            "To end a ramp, roll it back; to give a version all new calls, promote it."
        )
    return percent


def ramped(plan: RolloutPlan, version: str, percent: float, running: Collection[str]) -> RolloutPlan:
    """Let `percent` of the new calls begin at `version`. The others begin at the current version.

    Where the plan names no current one, that is the only other version that runs.
    """
    _require_running(version, running)
    if version == plan.current:
        raise BadRollout(f"{version} is the current version, so it gets the new calls already. Ramp another one.")
    current = plan.current or _only_other(version, running)
    return plan.next(current=current, ramping=version, percent=percent, previous="")


def promoted(plan: RolloutPlan, version: str, running: Collection[str]) -> RolloutPlan:
    """Make `version` the current one, "" the ramping one. No version ramps afterwards.

    To promote the current one again says that a person knows of the roll-back that the workers have made.
    """
    if not version and not plan.ramping:
        raise BadRollout("No version is ramping, so say which one to promote: voiceagent rollout promote VERSION")
    version = version or plan.ramping
    _require_running(version, running)
    if version == plan.current and not plan.ramping and plan.rollback is None:
        raise BadRollout(f"{version} is the current version already.")
    previous = plan.previous if version == plan.current else plan.current
    return plan.next(current=version, ramping="", percent=0.0, previous=previous)


def rolled_back(plan: RolloutPlan, running: Collection[str]) -> RolloutPlan:
    """End the ramp: new calls begin at the current version again. Without a ramp, undo the promotion.

    A promotion can be undone once, and until another version is ramped: who says it twice means the same thing.
    """
    if plan.ramping:
        return plan.next(ramping="", percent=0.0)
    if not plan.previous:
        undone = f" The workers have rolled {plan.rollback.version} back themselves." if plan.rollback else ""
        raise BadRollout(f"There is nothing to roll back: no version is ramping, and none was just promoted.{undone}")
    _require_running(plan.previous, running)
    return plan.next(current=plan.previous, previous="")


def cleared(plan: RolloutPlan) -> RolloutPlan:
    """Let new calls begin at any version again."""
    if not plan.is_active:
        raise BadRollout("There is no rollout plan: new calls are anyone's already.")
    return plan.next(current="", ramping="", percent=0.0, previous="", used=())


def told(plan: RolloutPlan) -> str:
    """Return in a sentence where new calls begin."""
    return plan_sentence(plan).message


def plan_sentence(plan: RolloutPlan) -> Sentence:
    """Return the same with its code."""
    if not plan.is_active:
        return Sentence("plan_none", "New calls begin at any version: there is no rollout plan.")
    if not plan.ramping:
        return Sentence("plan_current", f"New calls begin at {plan.current}.", "", {"current": plan.current})
    percent = percent_text(plan.percent)
    message = f"{percent} % of the new calls begin at {plan.ramping}, the others at {plan.current}."
    params = {"percent": percent, "ramping": plan.ramping, "current": plan.current}
    return Sentence("plan_ramping", message, "", params)


def _require_running(version: str, running: Collection[str]) -> None:
    if not is_version_name(version):
        raise BadRollout(
            f"{_shown(version)} cannot be a version: it must have 1 to {LONGEST_VERSION} characters, "
            "letters, digits, and any of . _ + -"
        )
    if version not in running:
        raise BadRollout(
            f"No worker runs {version}. {_those_running(running)} Start workers with WORKER_VERSION={version} first."
        )


def _only_other(version: str, running: Collection[str]) -> str:
    others = sorted({*running} - {version})
    if len(others) == 1:
        return others[0]
    if not others:
        raise BadRollout(
            f"No worker runs another version than {version}, so nobody would get the other calls. "
            f"To give it all of them: voiceagent rollout promote {version}"
        )
    raise BadRollout(
        f"{' and '.join(others)} run beside {version}, so say first which of them gets the other calls: "
        f"voiceagent rollout promote {others[0]}"
    )


def _those_running(running: Collection[str]) -> str:
    if not running:
        return "No worker is alive."
    return f"These run: {', '.join(sorted(running))}." if len(running) > 1 else f"Only {min(running)} runs."


def _shown(text: str) -> str:
    return repr(text[: LONGEST_VERSION + 1] + "…" if len(text) > LONGEST_VERSION + 1 else text)
