"""What is planted: fifty secrets and more, each way of telling one over each channel on which it differs."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Literal

from canaries.canary import Canary, Form, Kind, new_text

Channel = Literal["gather", "relay", "text"]

MAIN, APART, MODEL = "+15550100001", "+15550100002", "+15550100003"
"""The numbers of the agents: the script, the script in a process of its own, a language model."""

ROUTES = f"""
[agents.main]
agent = "canaries.script:reply"
[agents.apart]
agent = "canaries.script:Apart"
[agents.second]
agent = "canaries.script:second"
[agents.model]
agent = "llm"
[[routes]]
number = "{MAIN}"
agent = "main"
[[routes]]
number = "{APART}"
agent = "apart"
[[routes]]
number = "{MODEL}"
agent = "model"
[[routes]]
number = "*"
agent = "main"
"""


@dataclass(frozen=True, slots=True)
class Planting:
    """One call, in which one secret is told: in speech, with keys, in a signal, in what a person says by hand, as the
    caller's number, or in the order for a call that we place: as its number, or in its slots."""

    channel: Channel
    way: str
    canary: Canary
    told_by: Literal["speech", "keys", "signal", "say", "number", "order"] = "speech"
    to: str = MAIN


EVERYWHERE = (
    "keep", "slot", "nested", "repeat", "later", "raise", "message", "timer", "activity", "handoff", "model", "hangup",
)  # fmt: skip
ONLY_HERE: tuple[tuple[Channel, str, Form], ...] = (
    ("gather", "transfer", "number"), ("relay", "transfer", "number"), ("gather", "recipient", "number"),
    ("gather", "spaced", "digits"), ("relay", "spaced", "digits"), ("gather", "failing", "letters"),
    ("gather", "play", "letters"), ("relay", "long", "letters"),
)  # fmt: skip
CHANNELS: tuple[Channel, ...] = ("gather", "relay", "text")
WAYS: tuple[tuple[Channel, str, Form], ...] = (
    *((channel, way, "letters") for way in EVERYWHERE for channel in CHANNELS), *ONLY_HERE,
)  # fmt: skip


def plantings(seed: int, *, share: int = 1) -> list[Planting]:
    """All of them; with `share` n only every n-th way."""
    rng = Random(f"{seed}/canaries")
    found = [*_told(rng, is_sensitive=False), *_told(rng, is_sensitive=True), *_ordinary(rng)]
    return sorted(found[::share], key=lambda planting: planting.way != "die")  # processes that are started take long


def _told(rng: Random, *, is_sensitive: bool) -> Iterator[Planting]:
    for channel, way, form in WAYS:
        yield Planting(channel, way, _canary(rng, f"{channel}, {way}", form, is_sensitive=is_sensitive))
    for channel in CHANNELS[:2]:
        keys = _canary(rng, f"{channel}, keys", "digits", is_sensitive=is_sensitive)
        yield Planting(channel, "repeat", keys, "keys")
    yield Planting("text", "", _canary(rng, "text, signal", "letters", is_sensitive=is_sensitive), "signal")
    for channel in CHANNELS:
        dead = _canary(rng, f"{channel}, die", "letters", is_sensitive=is_sensitive)
        yield Planting(channel, "die", dead, to=APART)
    yield Planting("text", "", _canary(rng, "text, to the model", "letters", is_sensitive=is_sensitive), to=MODEL)


def _ordinary(rng: Random) -> Iterator[Planting]:
    """Numbers of callers: nobody can tell them in private."""
    for channel in CHANNELS:
        yield Planting(channel, "keep", _canary(rng, f"{channel}, caller", "number"), "number")
    yield Planting("text", "", _canary(rng, "text, caller of the model", "number"), "number", MODEL)
    for channel in ("gather", "text"):
        yield Planting(channel, "die", _canary(rng, f"{channel}, number that kills", "number"), to=APART)
    yield Planting("text", "", _canary(rng, "text, said by hand", "letters"), "say")
    yield Planting("text", "order", _canary(rng, "placed call, number", "number"), "order")
    yield Planting("text", "order", _canary(rng, "placed call, slots", "letters"), "order")


def _canary(rng: Random, name: str, form: Form, *, is_sensitive: bool = False) -> Canary:
    kind: Kind = "numbers" if form == "number" else "words"
    return Canary(f"{name}{', sensitive' if is_sensitive else ''}", kind, is_sensitive, new_text(form, rng))
