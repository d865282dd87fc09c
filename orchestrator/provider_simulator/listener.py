"""What the caller answers, and whether a question accepts it."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestrator.provider_simulator.twiml import Gather

RECOGNITION_CONFIDENCE = "0.91234565"
SHORTEST_TIMEOUT = 1.0
"""Before a caller who has begun to speak is taken to be silent, seconds."""
KEYS = frozenset("0123456789*#")


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said, or which keys were pressed; neither means silence."""

    speech: str = ""
    keys: str = ""

    def form(self) -> dict[str, str]:
        """Return it as form fields."""
        if self.speech:
            return {"SpeechResult": self.speech, "Confidence": RECOGNITION_CONFIDENCE}
        return {"Digits": self.keys} if self.keys else {}

    @property
    def is_silence(self) -> bool:
        return not (self.speech or self.keys)


def as_taken(gather: Gather, answer: Answer) -> Answer | None:
    """Return `answer` as `gather` accepts it, or None if it listens for something else."""
    if answer.speech:
        return answer if "speech" in gather.inputs else None
    if not answer.keys:
        return answer
    if "dtmf" not in gather.inputs:
        return None
    keys = answer.keys[: gather.num_digits]
    finish = min((keys.index(key) for key in gather.finish_on_key if key in keys), default=len(keys))
    return Answer(keys=keys[:finish])


Taken = Callable[[Answer], Answer | None]


class AnswerListener:
    """Accepts one answer to one question at a time."""

    def __init__(self) -> None:
        self._taken: Taken | None = None
        self._heard: asyncio.Future[Answer] | None = None
        self.direct: Callable[[Answer], bool] | None = None
        """Receives every answer while it is set: a relay listens all the time."""
        self.has_begun = False
        """True if the caller has begun to say something: then no question times out."""

    @contextmanager
    def listening(self, taken: Taken) -> Iterator[None]:
        """Accept an answer inside this context, and none outside. `taken` returns it as the question takes it."""
        self._taken, self._heard = taken, asyncio.get_running_loop().create_future()
        try:
            yield
        finally:
            self._heard.cancel()
            self._taken = self._heard = None

    def accept(self, answer: Answer) -> bool:
        """Give an answer. Return whether a question accepted it."""
        if self.direct is not None:
            return self.direct(answer)
        if self._taken is None or self._heard is None or self._heard.done():
            return False
        taken = self._taken(answer)
        if taken is None:
            return False
        self._heard.set_result(taken)
        return True

    @property
    def is_listening(self) -> bool:
        """True while a question is asked."""
        return self._taken is not None

    @property
    def has_heard(self) -> bool:
        """True if the current question has its answer."""
        return self._heard is not None and self._heard.done()

    async def answer(self, timeout_seconds: float | None) -> Answer:
        """Return the answer to the current question; silence after the time (None: no limit)."""
        assert self._heard is not None, "answer() belongs within listening()"
        await asyncio.wait([self._heard], timeout=timeout_seconds)
        while self.has_begun and not self._heard.done():
            await asyncio.wait([self._heard], timeout=max(timeout_seconds or 0, SHORTEST_TIMEOUT))
        return self._heard.result() if self._heard.done() else Answer()

    async def until_over(self) -> None:
        """Return when no question waits for an answer any more."""
        if self._heard is not None:
            await asyncio.wait([self._heard])

    async def spend(self, seconds: float) -> None:
        """Wait, for less time if an answer comes."""
        if self._heard is None:
            await asyncio.sleep(seconds)
        elif seconds:
            await asyncio.wait([self._heard], timeout=seconds)
