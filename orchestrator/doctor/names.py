"""The judgement of variables that the program does not read: those that resemble one of ours, and those that Kubernetes
sets."""

from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher

from orchestrator.doctor.finding import Finding, Level
from orchestrator.settings import Settings
from orchestrator.settings.sources import is_service_link

SHORTEST_NAME = 6
"""Shorter names of ours (`HOST`, `PORT`) are like those of too many others."""
MOST_NAMES = 5000
LIKE = 0.9
LIKE_BY_FAMILY = 0.8
"""Similarity that is enough if both names begin with a word that only we use."""
FAMILIES = ("TWILIO_", "TELNYX_", "SIGNALWIRE_", "LLM_", "STATE_", "DIAL_")


def judge_names(variables: Mapping[str, str]) -> Iterator[Finding]:
    """Return the findings about names in the environment and in `.env`. No value is quoted."""
    ours = {name.upper() for name in Settings.model_fields}
    given = {name.upper() for name in variables}
    for name in sorted(variables)[:MOST_NAMES]:
        if name.upper() not in ours and (meant := _meant(name.upper(), ours)) is not None:
            level: Level = "note" if meant in given else "warning"
            said = f"{name} is set, and nobody reads it."
            yield Finding("settings", level, said, f"Call it {meant} if you mean that.")
    if is_service_link(variables.get("REDIS_PORT")):
        yield Finding(
            "settings", "note", "REDIS_PORT is what Kubernetes sets for a service called redis, and not a port.",
            "It is not taken for a setting. Without it: enableServiceLinks: false in the pod.",
        )  # fmt: skip


def _meant(name: str, ours: Iterable[str]) -> str | None:
    """Return the one of `ours` that the writer of `name` most likely meant."""
    bare = _bare(name)
    best, best_likeness = None, 0.0
    for known in sorted(ours):
        if len(known) < SHORTEST_NAME:
            continue
        if _bare(known) == bare or ("_" in name and known.startswith(f"{name}_")):
            return known
        is_family = name.startswith(FAMILIES) and known.startswith(name.partition("_")[0] + "_")
        likeness = _likeness(name, known)
        if likeness >= (LIKE_BY_FAMILY if is_family else LIKE) and likeness > best_likeness:
            best, best_likeness = known, likeness
    return best


def _bare(name: str) -> str:
    return name.replace("_", "").replace("-", "")


def _likeness(one: str, other: str) -> float:
    if not 2 / 3 <= len(one) / len(other) <= 3 / 2:
        return 0.0
    matcher = SequenceMatcher(None, one, other, autojunk=False)
    return matcher.ratio() if matcher.quick_ratio() >= LIKE_BY_FAMILY else 0.0
