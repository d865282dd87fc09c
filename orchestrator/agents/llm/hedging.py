"""Hedged requests: ask the fallback model too when the first one is late, or fails before its first token."""

import asyncio
import logging
import time
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

from orchestrator.agents.llm.instrumentation import instrumentation
from orchestrator.agents.spoken_text import SpeechFilter, UntaggedThoughts
from orchestrator.agents.unicode import Surrogates
from orchestrator.errors import ModelFailed
from orchestrator.process_metrics import catalog
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

AHEAD = 64
"""The most pieces that a model may have produced and the reply not yet taken; then the model waits."""
CLOSE_SECONDS = 0.4
"""How long leaving a `HedgedRequest` waits for cancelled attempts."""


class ModelAttempt:
    """A request to one model, in a task of its own.

    `first_token` becomes True with the first token or tool call, and False if the model fails before that. `pieces` are
    its text, then its response or its error. Text goes through the speech filter first: a thought is not a token.
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
        self._text: list[str] = []
        self._may_be_silent = may_be_silent
        self.first_token: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.pieces: asyncio.Queue[str | ModelResponse | ModelFailed] = asyncio.Queue(AHEAD)
        self.error: ModelFailed | None = None
        self._began = time.perf_counter()
        self.task = asyncio.create_task(self._run(model, messages, parameters), name=f"model {self.name}")

    async def _run(self, model: Model, messages: list[ModelMessage], parameters: ModelRequestParameters) -> None:
        result = "cancelled"
        try:
            await self.pieces.put(await self._stream(model, messages, parameters))
            result = "answered"
        except Exception as error:  # whatever a server, or the client of some provider, comes up with
            logger.debug("A model failed", exc_info=error, extra={"action": "llm.error", "model": self.name})
            self.error = ModelFailed(f"The model {self.name} failed: {_description(error)}")
            if not self.first_token.done():
                self.first_token.set_result(False)
            result = "failed"
            await self.pieces.put(self.error)
        finally:
            catalog.MODEL_REQUEST_SECONDS.observe(time.perf_counter() - self._began, self.name, result)

    async def _stream(
        self, model: Model, messages: list[ModelMessage], parameters: ModelRequestParameters
    ) -> ModelResponse:
        surrogates = Surrogates()
        async with model_request_stream(
            model, messages, model_request_parameters=parameters, instrument=instrumentation()
        ) as stream:
            async for event in stream:
                if isinstance(event, PartStartEvent) and isinstance(event.part, ToolCallPart):
                    self._note_token()
                elif text := surrogates.joined(_text_of(event)):
                    await self._add(self._filter.feed(text))
            response = stream.get()
        catalog.MODEL_TOKENS.inc(self.name, "input", by=response.usage.input_tokens)
        catalog.MODEL_TOKENS.inc(self.name, "output", by=response.usage.output_tokens)
        await self._add(self._filter.feed(surrogates.rest()) + self._filter.end())
        if self._may_be_silent or self._written_calls():
            self._note_token()
        if not self.first_token.done():
            raise ModelFailed("it ended without a word")
        if response.state == "incomplete":
            raise ModelFailed("its answer was cut off")
        return self._with_filtered_text(response)

    async def _add(self, text: str) -> None:
        if text:
            self._note_token()
            self._text.append(text)
            await self.pieces.put(text)

    def _written_calls(self) -> list[ToolCallPart]:
        """Return the calls that the model wrote as text instead of making them, if there are such tools."""
        return [ToolCallPart(call.name, call.arguments) for call in self._filter.calls if call.name in self._tools]

    def _with_filtered_text(self, response: ModelResponse) -> ModelResponse:
        """Return the response with the filtered text and the written calls: this is what the model sees of it later."""
        text = "".join(self._text).strip()
        parts = [part for part in response.parts if not isinstance(part, TextPart)]
        return replace(response, parts=[*([TextPart(text)] if text else []), *parts, *self._written_calls()])

    def _note_token(self) -> None:
        if not self.first_token.done():
            catalog.MODEL_FIRST_TOKEN_SECONDS.observe(time.perf_counter() - self._began, self.name)
            self.first_token.set_result(True)


class HedgedRequest:
    """One request to several models, best first: the one with the first token answers. A context manager.

    Entering asks the first model. If a model fails before its first token, the next is asked at once; `ask_next` asks
    the next while earlier ones may still answer. The first token decides, and cancels the others. An answer with
    neither words nor tool calls is a failure, unless `may_be_silent`. `thoughts` holds, by model name, whether the
    model's thoughts come without an opening tag. Leaving cancels all attempts.
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
            ModelAttempt,
            messages=messages,
            parameters=parameters,
            may_be_silent=may_be_silent,
            thoughts={} if thoughts is None else thoughts,
        )
        self._asked: list[ModelAttempt] = []
        self._winner: ModelAttempt | None = None
        self.response: ModelResponse | None = None

    async def __aenter__(self) -> Self:
        self.ask_next()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await cancel_and_wait(*(attempt.task for attempt in self._asked), seconds=CLOSE_SECONDS)

    def ask_next(self) -> None:
        """Ask the next model as well, if there is one."""
        if self._waiting:
            self._asked.append(self._ask(self._waiting.popleft()))

    async def has_begun(self, until: float) -> bool:
        """Return True once a first token has arrived, False at `until`, in the event loop's time.

        Raise `ModelFailed` when all models have failed.
        """
        loop = asyncio.get_running_loop()
        while not self._has_winner():
            pending = {attempt.first_token for attempt in self._asked if not attempt.first_token.done()}
            if not pending:
                self._replace_failed()
                continue
            done, _ = await asyncio.wait(
                pending, timeout=max(0, until - loop.time()), return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return False
        return True

    def _has_winner(self) -> bool:
        if self._winner is None:
            self._winner = next((c for c in self._asked if c.first_token.done() and c.first_token.result()), None)
            for attempt in self._asked if self._winner else ():
                if attempt is not self._winner:
                    attempt.task.cancel()
        return self._winner is not None

    def _replace_failed(self) -> None:
        """All models that were asked have failed: ask the next. Raise `ModelFailed` if there is none."""
        failed = self._asked[-1].error
        if not self._waiting:
            raise failed or ModelFailed
        logger.warning("A model failed; asking the next one: %s", failed, extra={"action": "llm.fallback"})
        self.ask_next()

    async def pieces(self, until: float) -> AsyncGenerator[str]:
        """Yield the winner's text as it arrives, then set `response`.

        Raise `ModelFailed`, or TimeoutError at `until`, in the event loop's time.
        """
        assert self._winner is not None, "await `has_begun` first"
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


def _description(error: Exception) -> str:
    """Return what went wrong, without the server's own words: they may quote the caller, or a part of the key."""
    if isinstance(error, ModelFailed):
        return f"{error}."
    if isinstance(error, ModelHTTPError):
        return f"it was answered with HTTP status {error.status_code}. LOG_LEVEL=DEBUG shows the answer."
    return f"{type(error).__name__}. LOG_LEVEL=DEBUG shows more."
