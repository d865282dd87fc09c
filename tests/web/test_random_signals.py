"""Whatever a caller, their provider and senders of signals do, in any order: each signal is heard, once, in order."""

import re
from collections.abc import AsyncIterator
from random import Random
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.ingress import Ingress, redirect_of, said

from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn

STEPS = 40
TOKEN = re.compile(r"\bn\d+\b")


async def told(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Says the names of signals; some say nothing."""
    if turn.kind != "signal":
        yield f"This is {turn.kind} {turn.text}."
    elif not turn.text.startswith("quiet"):
        yield f"News: {turn.text}."


class Telephone:
    """The caller and their provider, who may send a request twice, come when sent for, and lose the call's thread."""

    def __init__(self, ingress: Ingress, random: Random) -> None:
        self.ingress, self.random = ingress, random
        self.heard: list[str] = []
        self.sent: list[str] = []
        self.path = "/twilio/turn/1"
        self.last: tuple[str, dict[str, str]] | None = None

    async def signal(self) -> None:
        """Somebody sends a signal, perhaps twice."""
        name = f"n{len(self.sent)}" if self.random.random() < 0.8 else "quiet"
        if name != "quiet":
            self.sent.append(name)
        body = {"name": name, "signal_id": f"{name}-{self.random.random()}", "interrupt": self.random.random() < 0.3}
        for _ in range(self.random.choice((1, 1, 2))):
            answer = await self.ingress.client.post(f"/calls/{self.ingress.call_sid}/signals", json=body)
            assert answer.status_code == 200, answer.text

    async def webhook(self, path: str, **fields: str) -> str:
        """Request a document; the caller hears it, and is led on by it."""
        document = await self.ingress.twiml(path, **fields)
        self.last, self.path = (path, fields), redirect_of(document)
        return said(document)

    async def words(self) -> None:
        """The caller speaks."""
        self.hear(await self.webhook(self.path, SpeechResult=f"words {self.random.random()}"))

    async def silence(self) -> None:
        """The caller does not."""
        self.hear(await self.webhook(self.path))

    async def come(self) -> None:
        """The provider comes because we have sent for it."""
        number = urlsplit(self.path).path.rpartition("/")[2]
        self.hear(await self.webhook(f"/twilio/turn/{number}?continue=1"))

    async def repeat(self) -> None:
        """The provider has not got the last answer, and asks again."""
        if self.last is not None:
            path, fields = self.last
            answers = {(await self.ingress.post(path, **fields)).content for _ in range(2)}
            assert len(answers) == 1

    async def come_back(self) -> None:
        """The call returns to its beginning, perhaps since a webhook has failed: the last reply may be repeated."""
        fields = {"ErrorCode": "11200"} if self.random.random() < 0.5 else {}
        text = await self.webhook("/twilio/voice", **fields)
        self.last = None
        self.hear(" ".join(token for token in TOKEN.findall(text) if token not in self.heard))

    def hear(self, text: str) -> None:
        """Note the signals in what is said."""
        self.heard += TOKEN.findall(text)


@pytest.mark.parametrize("seed", range(12))
async def test_each_signal_is_heard_once_and_in_order(start_ingress, seed) -> None:
    async with start_ingress(agent=told) as ingress:
        await ingress.begin()
        telephone = Telephone(ingress, Random(seed))
        await telephone.words()
        steps = [
            telephone.signal, telephone.signal, telephone.words, telephone.silence, telephone.come, telephone.repeat,
            telephone.come_back,
        ]  # fmt: skip
        for _ in range(STEPS):
            await telephone.random.choice(steps)()
            assert telephone.heard == telephone.sent[: len(telephone.heard)]
        await telephone.silence()
        assert telephone.heard == telephone.sent
