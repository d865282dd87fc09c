"""The agent `llm`: what is asked of the model in one turn, and what is said and done."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, ToolCallPart, ToolReturnPart
from pydantic_ai.models import ModelRequestParameters

from orchestrator.agents.appointments.office_clock import OfficeClock, office_clock
from orchestrator.agents.llm.conversation import messages_for, silences_before
from orchestrator.agents.llm.models import Models
from orchestrator.agents.llm.patience import Contest
from orchestrator.agents.llm.persona import system_prompt
from orchestrator.agents.llm.toolbox import Desk, Toolbox
from orchestrator.agents.protocol import Part
from orchestrator.agents.spoken_text import UntaggedThoughts
from orchestrator.conversation.actions import INLINE_ACTIONS, Action, HangUp, SetLanguage, SetSpeech, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.errors import ModelFailed

logger = logging.getLogger(__name__)

FILLER = "One moment, please."
BROKE_OFF = "I'm sorry, I lost my thread. Could you say that again?"
GOODBYE = "I can't hear you, so I will hang up now. Please call again. Goodbye!"
LATE = "No model answered in time. Try a faster one, or raise AGENT_TIMEOUT_SECONDS."
MOST_SILENCES = 3
MOST_REQUESTS = 6
"""How often a model is asked in one turn, the first time and after each round of tools."""


class ModelAgent:
    """Answers with a language model. Holds nothing of any call.

    Until a first token has come within `first_token_seconds`, a filler is said (once a turn) and the fallback model is
    asked too. After `answer_seconds` the turn is ended here, before the runner would, so that what tools have done
    stays in the state.
    """

    def __init__(
        self,
        models: Models,
        toolbox: Toolbox,
        *,
        persona: str,
        first_token_seconds: float,
        answer_seconds: float,
        history_characters: int,
        clock: OfficeClock = office_clock,
    ) -> None:
        self._models = models
        self._toolbox = toolbox
        self._parameters = ModelRequestParameters(function_tools=toolbox.definitions)
        self._persona = persona
        self._first_token_seconds = first_token_seconds
        self._answer_seconds = answer_seconds
        self._history_characters = history_characters
        self._clock = clock
        self._thoughts: dict[str, UntaggedThoughts] = {}

    async def reply(self, turn: Turn, state: ConversationState) -> AsyncIterator[Part]:
        """Answer one turn: text as the model produces it, what its tools asked for amid it, and then what ends it."""
        if turn.kind in ("ended", "interrupted"):  # nobody listens; or the caller speaks, and their words follow
            return
        if turn.kind == "silence" and silences_before(state) + 1 >= MOST_SILENCES:
            yield GOODBYE
            yield HangUp(reason="silence")
            return
        desk = self._toolbox.desk(turn, state)
        speech = Speech(asyncio.get_running_loop().time() + self._answer_seconds)
        try:
            async with aclosing(self._answer(turn, state, desk, speech)) as answer:
                async for part in answer:
                    yield part
        except (ModelFailed, TimeoutError) as error:
            failure = error if isinstance(error, ModelFailed) else ModelFailed(LATE)
            if not speech.has_begun and not desk.is_used:
                raise failure from None
            _note_failure(turn, failure)
            yield speech.sentence(BROKE_OFF)
        for action in (*desk.inline_actions(), *_endings(desk.actions)):
            yield action

    async def _answer(self, turn: Turn, state: ConversationState, desk: Desk, speech: "Speech") -> AsyncGenerator[Part]:
        """Ask, run what tools are called, do what they asked for, and ask again, until an answer calls no more."""
        system = system_prompt(self._persona, self._clock(), state.from_number)
        messages = messages_for(turn, state, system, self._history_characters)
        for _ in range(MOST_REQUESTS):
            response: ModelResponse | None = None
            async with aclosing(self._ask(messages, speech)) as pieces:
                async for piece in pieces:
                    if isinstance(piece, ModelResponse):
                        response = piece
                    else:
                        yield piece
            calls = [part for part in response.parts if isinstance(part, ToolCallPart)] if response else []
            if response is None or not calls:
                return
            acted = len(desk.actions)
            async with asyncio.timeout_at(speech.until):
                results = [ToolReturnPart(call.tool_name, await desk.run(call), call.tool_call_id) for call in calls]
            done = desk.inline_actions()
            for action in done:
                yield action
            speaks_on = any(isinstance(action, SetLanguage | SetSpeech) for action in done)
            if speech.has_words and len(desk.actions) - acted == len(calls) and not speaks_on:
                return  # it said goodbye and hung up: there is nothing to ask it for
            messages += [response, ModelRequest(parts=results)]
        raise ModelFailed(f"The model called tools {MOST_REQUESTS} times in one turn, and was stopped.")

    async def _ask(self, messages: list[ModelMessage], speech: "Speech") -> AsyncGenerator[str | ModelResponse]:
        """One request: its text, with a filler before it if that is late, and at last the whole response."""
        time, parameters = asyncio.get_running_loop().time, self._parameters
        models = await self._models.here()
        contest = Contest(models, messages, parameters, may_be_silent=speech.has_words, thoughts=self._thoughts)
        async with contest:
            patience = time() + self._first_token_seconds
            if not await contest.begun(min(speech.until, patience)):
                if speech.until <= patience:
                    raise TimeoutError
                contest.call_next()
                if filler := speech.filler():
                    yield filler
                if not await contest.begun(speech.until):
                    raise TimeoutError
            speech.begin()
            async with aclosing(contest.pieces(speech.until)) as pieces:
                async for piece in pieces:
                    yield speech.words(piece)
            if contest.response is not None:
                yield contest.response


class Speech:
    """What is said in one turn, joined with spaces. `until` is when it must end, in the loop's time."""

    def __init__(self, until: float) -> None:
        self.until = until
        self.has_words = False  # of the model's own
        self._said = ""
        self._is_new = False

    @property
    def has_begun(self) -> bool:
        """Whether anything was said, if only a filler."""
        return bool(self._said)

    def begin(self) -> None:
        """What comes now is no continuation of what was said last."""
        self._is_new = True

    def words(self, piece: str) -> str:
        """A piece of the model's answer, as it is to be said."""
        self.has_words = True
        return self._joined(piece)

    def filler(self) -> str:
        """What bridges a pause: once a turn, "" from then on."""
        if FILLER in self._said:
            return ""
        self.begin()
        return self._joined(FILLER)

    def sentence(self, text: str) -> str:
        """A sentence of our own."""
        self.begin()
        return self._joined(text)

    def _joined(self, piece: str) -> str:
        if self._is_new and self._said and not self._said[-1].isspace() and not piece[:1].isspace():
            piece = f" {piece}"
        self._is_new = False
        self._said += piece
        return piece


def _endings(actions: list[Action]) -> list[Action]:
    """What comes after all that was said: who is connected with a person must not be hung up on."""
    transfers = [action for action in actions if isinstance(action, Transfer)]
    others = [action for action in actions if not isinstance(action, (Transfer, HangUp, *INLINE_ACTIONS))]
    return [*others, *(transfers[:1] or [action for action in actions if isinstance(action, HangUp)][:1])]


def _note_failure(turn: Turn, error: Exception) -> None:
    logger.error(
        "The model did not finish its answer, and the caller is asked to repeat: %s", error,
        extra={"action": "llm.stream_failed", "call_sid": turn.call_sid, "turn_id": turn.turn_id},
    )  # fmt: skip
