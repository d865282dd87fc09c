"""What callers say, and what they expect to hear: of one agent, or of several at a desk."""

from random import Random

from soak.desks import GREETING as DESK_GREETING
from soak.desks import SPEAKERS, Desk, reply_of
from soak.script import GREETING, answer_to

from orchestrator.provider_simulator.identity import CallIdentity, new_number

WORDS = ("amber", "birch", "cedar", "dune", "ember", "fjord", "grove", "heath", "islet", "knoll")
HAND_OFF_SHARE = 0.3
BACK_SHARE = 0.5
"""The share of utterances that ask for another agent; of those, the share that ask to come back."""


class Speech:
    """One call to the agent that `AGENT` names."""

    desk: Desk | None = None

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def identity(self, call_sid: str) -> CallIdentity:
        """Who calls whom."""
        return CallIdentity(call_sid, new_number())

    def utterance(self, number: int, more: str = "") -> str:
        """The next words."""
        return f"number {number} {self._rng.choice(WORDS)} {self._rng.choice(WORDS)}{more}"

    def expected(self, text: str) -> list[str]:
        """The right answers; to "", the greetings."""
        return [answer_to(text) if text else GREETING]

    def settled(self, text: str, answer: str) -> None:
        """Note who has the call now: the `answer` was right, or an apology."""


class DeskSpeech(Speech):
    """One call to a desk. `agents` are those who may have the call: one, but for what a failed turn leaves open."""

    def __init__(self, rng: Random, desk: Desk) -> None:
        super().__init__(rng)
        self.desk = desk
        self.agents = list(desk.first)

    def identity(self, call_sid: str) -> CallIdentity:
        assert self.desk is not None
        return CallIdentity(call_sid, new_number(), self.desk.number)

    def utterance(self, number: int, more: str = "") -> str:
        others = [name for name in SPEAKERS if name not in self.agents]
        if others and self._rng.random() < HAND_OFF_SHARE:
            back = " and back" if self._rng.random() < BACK_SHARE else ""
            more = f" over to {self._rng.choice(others)}{back}{more}"
        return super().utterance(number, more)

    def expected(self, text: str) -> list[str]:
        if not text:
            return [f"{agent}: {DESK_GREETING}" for agent in self.agents]
        return [reply_of(agent, text)[0] for agent in self.agents]

    def settled(self, text: str, answer: str) -> None:
        if not text:
            told = [agent for agent in self.agents if answer == f"{agent}: {DESK_GREETING}"]
            self.agents = told or self.agents
            return
        replies = {agent: reply_of(agent, text) for agent in self.agents}
        right = [last for reply, last in replies.values() if reply == answer]
        if right:
            self.agents = right[:1]
        else:  # an apology: whoever had begun to be heard has the call
            self.agents = list(dict.fromkeys([*self.agents, *(name for name in SPEAKERS if f"to {name}" in text)]))

    def spoke_last(self, letter: str) -> None:
        """On a relay: who was heard last."""
        told = [name for name, known in SPEAKERS.items() if known == letter]
        self.agents = told or self.agents
