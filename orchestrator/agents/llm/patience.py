"""Who answers: the model, or the fallback if the model is late or fails before its first token."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from functools import partial
from types import TracebackType
from typing import Self

from pydantic_ai.direct import model_request_stream
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
)
from pydantic_ai.models import Model, ModelRequestParameters

from orchestrator.agents.llm.unicode import Surrogates
from orchestrator.agents.spoken_text import SpeechFilter, UntaggedThoughts
from orchestrator.errors import ModelFailed
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

AHEAD = 64
"""How many pieces a model may be ahead of whoever speaks them."""
CLOSE_SECONDS = 0.4


class Candidate:
    """One request to one model, in a task of its own. `begun` tells whether a first word came, or it failed before.

    What it writes is filtered before anything else is decided: thoughts are no words.
    """

    def __init__(
        self,
        model: Model,
        messages: list[ModelMessage],
        parameters: ModelRequestParameters,
        may_be_silent: bool,
        thoughts: dict[str, UntaggedThoughts],
    ) -> None:
        self.name = model.model_name
        self._tools = [tool.name for tool in parameters.function_tools]
        self._filter = SpeechFilter(self._tools, thoughts.setdefault(self.name, UntaggedThoughts()))
        self._said: list[str] = []
        self._may_be_silent = may_be_silent
        self.begun: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.pieces: asyncio.Queue[str | ModelResponse | ModelFailed] = asyncio.Queue(AHEAD)
        self.error: ModelFailed | None = None
        self.task = asyncio.create_task(self._run(model, messages, parameters), name=f"model {self.name}")

    async def _run(self, model: Model, messages: list[ModelMessage], parameters: ModelRequestParameters) -> None:
        try:
            await self.pieces.put(await self._stream(model, messages, parameters))
        except Exception as error:  # whatever a server, or the client of some provider, comes up with
            logger.debug("A model failed", exc_info=error, extra={"action": "llm.error", "model": self.name})
            self.error = ModelFailed(f"The model {self.name} failed: {_told(error)}")
            if not self.begun.done():
                self.begun.set_result(False)
            await self.pieces.put(self.error)

    async def _stream(
        self, model: Model, messages: list[ModelMessage], parameters: ModelRequestParameters
    ) -> ModelResponse:
        surrogates = Surrogates()
        async with model_request_stream(
            model, messages, model_request_parameters=parameters, instrument=False
        ) as stream:
            async for event in stream:
                if isinstance(event, PartStartEvent) and isinstance(event.part, ToolCallPart):
                    self._begin()
                elif text := surrogates.joined(_text_of(event)):
                    await self._say(self._filter.feed(text))
            response = stream.get()
        await self._say(self._filter.feed(surrogates.rest()) + self._filter.end())
        if self._may_be_silent or self._written_calls():
            self._begin()
        if not self.begun.done():
            raise ModelFailed("it ended without a word")
        if response.state == "incomplete":
            raise ModelFailed("its answer was cut off")
        return self._as_said(response)

    async def _say(self, text: str) -> None:
        if text:
            self._begin()
            self._said.append(text)
            await self.pieces.put(text)

    def _written_calls(self) -> list[ToolCallPart]:
        """The calls that the model wrote as text: they are made, as it meant to, if there are such tools."""
        return [ToolCallPart(call.name, call.arguments) for call in self._filter.calls if call.name in self._tools]

    def _as_said(self, response: ModelResponse) -> ModelResponse:
        """The response with its text as it was said: that is what the model is shown of it."""
        said = "".join(self._said).strip()
        parts = [part for part in response.parts if not isinstance(part, TextPart)]
        return replace(response, parts=[*([TextPart(said)] if said else []), *parts, *self._written_calls()])

    def _begin(self) -> None:
        if not self.begun.done():
            self.begun.set_result(True)


class Contest:
    """One request, and the models that may answer it, best first. A context manager: leaving it ends them all.

    Only the first model is asked at first. One that fails before its first token is replaced by the next at once;
    `call_next` asks the next although the one before may still answer. The first token decides, for good. An answer
    without words and calls is a failure, unless it `may_be_silent`. `thoughts` is what is known of each model's.
    """

    def __init__(
        self,
        models: Sequence[Model],
        messages: list[ModelMessage],
        parameters: ModelRequestParameters,
        *,
        may_be_silent: bool = False,
        thoughts: dict[str, UntaggedThoughts] | None = None,
    ) -> None:
        self._waiting = deque(models)
        self._ask = partial(
            Candidate,
            messages=messages,
            parameters=parameters,
            may_be_silent=may_be_silent,
            thoughts={} if thoughts is None else thoughts,
        )
        self._asked: list[Candidate] = []
        self._winner: Candidate | None = None
        self.response: ModelResponse | None = None

    async def __aenter__(self) -> Self:
        self.call_next()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(*(candidate.task for candidate in self._asked), seconds=CLOSE_SECONDS)

    def call_next(self) -> None:
        """Ask the next model too, if there is one."""
        if self._waiting:
            self._asked.append(self._ask(self._waiting.popleft()))

    async def begun(self, until: float) -> bool:
        """Whether a first token came before the loop's time is `until`. Raises `ModelFailed` once all have failed."""
        loop = asyncio.get_running_loop()
        while not self._decided():
            open_ones = {candidate.begun for candidate in self._asked if not candidate.begun.done()}
            if not open_ones:
                self._replace()
                continue
            done, _ = await asyncio.wait(
                open_ones, timeout=max(0, until - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return False
        return True

    def _decided(self) -> bool:
        if self._winner is None:
            self._winner = next((c for c in self._asked if c.begun.done() and c.begun.result()), None)
            for candidate in self._asked if self._winner else ():
                if candidate is not self._winner:
                    candidate.task.cancel()
        return self._winner is not None

    def _replace(self) -> None:
        """All that were asked have failed: ask the next, or give up."""
        failed = self._asked[-1].error
        if not self._waiting:
            raise failed or ModelFailed
        logger.warning("A model failed, and the next is asked: %s", failed, extra={"action": "llm.fallback"})
        self.call_next()

    async def pieces(self, until: float) -> AsyncGenerator[str]:
        """The winner's text as it comes; then `response` is there. Raises `ModelFailed`, or TimeoutError at `until`."""
        assert self._winner is not None, "ask `begun` first"
        while True:
            async with asyncio.timeout_at(until):
                piece = await self._winner.pieces.get()
            if isinstance(piece, ModelFailed):
                raise piece
            if isinstance(piece, ModelResponse):
                self.response = piece
                return
            yield piece


def _text_of(event: object) -> str:
    if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
        return event.part.content
    if isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
        return event.delta.content_delta
    return ""


def _told(error: Exception) -> str:
    """What went wrong, without what the server wrote: that may hold the caller's words, or a part of the key."""
    if isinstance(error, ModelFailed):
        return f"{error}."
    if isinstance(error, ModelHTTPError):
        return f"it was answered with HTTP status {error.status_code}. LOG_LEVEL=DEBUG shows the answer."
    return f"{type(error).__name__}. LOG_LEVEL=DEBUG shows more."
