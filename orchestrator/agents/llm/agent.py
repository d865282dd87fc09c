"""The agent `llm`: what it asks the model in one turn, and what it says and does with the answer."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart
from pydantic_ai.models import ModelRequestParameters

from orchestrator.agents.appointments.office_clock import OfficeClock, office_clock
from orchestrator.agents.call_history import silences_before
from orchestrator.agents.llm.hedging import HedgedRequest
from orchestrator.agents.llm.message_history import messages_for
from orchestrator.agents.llm.models import Models
from orchestrator.agents.llm.prompt import system_prompt
from orchestrator.agents.llm.toolset import Toolset, TurnToolCalls
from orchestrator.agents.protocol import Part
from orchestrator.agents.reply_text import BROKE_OFF, GOODBYE, MOST_SILENCES, ReplyText, final_actions
from orchestrator.agents.sensitive_text import redaction_for
from orchestrator.agents.spoken_text import UntaggedThoughts
from orchestrator.conversation.actions import HangUp, SetLanguage, SetSpeech, hand_offs
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import ModelFailed

if TYPE_CHECKING:
    from orchestrator.agents.mcp.servers import McpServers

logger = logging.getLogger(__name__)

FILLER = "One moment, please."
LATE = "No model answered in time. Try a faster one, or raise AGENT_TIMEOUT_SECONDS."
MOST_REQUESTS = 6
"""The most requests to a model in one turn: the first, and one after each round of tool calls."""


class ModelAgent:
    """Answers with a language model. Keeps nothing of a call between turns.

    If no token has arrived after `first_token_seconds`, the agent says a filler (once a turn) and also asks the
    fallback model. After `answer_seconds` it ends the turn itself. It does so before the turn's deadline, so that the
    state keeps what tools have done. What sensitive turns brought goes to tools alone, unless it `sees_sensitive`.
    """

    def __init__(
        self,
        models: Models,
        toolset: Toolset,
        *,
        prompt: str,
        first_token_seconds: float,
        answer_seconds: float,
        history_characters: int,
        clock: OfficeClock = office_clock,
        servers: "McpServers | None" = None,
        sees_sensitive: bool = False,
    ) -> None:
        self._sees_sensitive = sees_sensitive
        self._models = models
        self._toolset = toolset
        self._servers = servers
        self._prompt = prompt
        self._first_token_seconds = first_token_seconds
        self._answer_seconds = answer_seconds
        self._history_characters = history_characters
        self._clock = clock
        self._thoughts: dict[str, UntaggedThoughts] = {}

    async def reply(self, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        """Answer one turn: yield the model's text and its tools' early actions as they come, then other actions."""
        if turn.kind in ("ended", "interrupted"):  # nobody listens; or the caller speaks, and their words follow
            return
        if turn.kind == "silence" and silences_before(state) + 1 >= MOST_SILENCES:
            yield GOODBYE
            yield HangUp(reason="silence")
            return
        redaction = None if self._sees_sensitive else redaction_for(state)
        tool_calls = TurnToolCalls(await self._tools(), turn, state, redaction)
        text = ReplyText(asyncio.get_running_loop().time() + self._answer_seconds)
        try:
            async with aclosing(self._answer(turn, state, tool_calls, text)) as answer:
                async for part in answer:
                    yield part
        except (ModelFailed, TimeoutError) as error:
            failure = error if isinstance(error, ModelFailed) else ModelFailed(LATE)
            if not text.has_begun and not tool_calls.is_used:
                raise failure from None
            _log_failure(turn, failure)
            yield text.sentence(BROKE_OFF)
        for action in (*tool_calls.new_early_actions(), *final_actions(tool_calls.actions)):
            yield action

    async def _tools(self) -> Toolset:
        if self._servers is None:
            return self._toolset
        return self._toolset.with_remote(await self._servers.tools(self._toolset.names))

    async def _answer(
        self, turn: Turn, state: ConversationState, tool_calls: TurnToolCalls, text: ReplyText
    ) -> AsyncGenerator[Part]:
        """Ask the model and run the tools that it calls, again and again, until an answer calls none."""
        system = system_prompt(self._prompt, self._clock(), state.from_number)
        messages = messages_for(turn, state, system, self._history_characters, tool_calls.redaction)
        parameters = ModelRequestParameters(function_tools=tool_calls.toolset.definitions)
        for _ in range(MOST_REQUESTS):
            response: ModelResponse | None = None
            async with aclosing(self._ask(messages, parameters, text, is_own=turn.is_own)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ModelResponse):
                        response = piece
                    else:
                        yield piece
            calls = [part for part in response.parts if isinstance(part, ToolCallPart)] if response else []
            if response is None or not calls:
                return
            actions_before = len(tool_calls.actions)
            async with asyncio.timeout_at(text.deadline):
                results = [
                    ToolReturnPart(call.tool_name, await tool_calls.run(call), call.tool_call_id) for call in calls
                ]
            early_actions = tool_calls.new_early_actions()
            for action in early_actions:
                yield action
            if hand_offs(early_actions):
                return  # another agent has the call: what the model would say is not said
            is_all_actions = len(tool_calls.actions) - actions_before == len(calls)
            speaks_on = any(isinstance(action, SetLanguage | SetSpeech) for action in early_actions)
            if text.has_words and is_all_actions and not speaks_on:
                return  # it said goodbye and hung up: there is nothing left to ask the model for
            messages += [response, ModelRequest(parts=results)]
        raise ModelFailed(f"The model called tools {MOST_REQUESTS} times in one turn, and was stopped.")

    async def _ask(
        self, messages: list[ModelMessage], parameters: ModelRequestParameters, text: ReplyText, *, is_own: bool
    ) -> AsyncGenerator[str | ModelResponse]:
        """Send one request: yield its text, after a filler if the first token is late, and last the whole response.

        In an own turn nobody waits for an answer: the model may say nothing, and there is no filler.
        """
        time = asyncio.get_running_loop().time
        models = await self._models.for_running_loop()
        async with HedgedRequest(
            models, messages, parameters, may_be_silent=text.has_words or is_own, thoughts=self._thoughts
        ) as request:
            filler_at = time() + self._first_token_seconds
            if not await request.has_begun(min(text.deadline, filler_at)):
                if text.deadline <= filler_at:
                    raise TimeoutError
                request.ask_next()
                if not is_own and (filler := text.once(FILLER)):
                    yield filler
                if not await request.has_begun(text.deadline):
                    raise TimeoutError
            text.begin_sentence()
            async with aclosing(request.pieces(text.deadline)) as pieces:
                async for piece in pieces:
                    yield text.words(piece)
            if request.response is not None:
                yield request.response


def _log_failure(turn: Turn, error: Exception) -> None:
    logger.error(
        "The model did not finish its answer; asking the caller to repeat: %s", error,
        extra={"action": "llm.stream_failed", "call_sid": turn.call_sid, "turn_id": turn.turn_id},
    )  # fmt: skip
