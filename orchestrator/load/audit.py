"""Compares what callers were answered with what the server kept."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.conversation.state import ConversationState
from orchestrator.load.callers import Server
from orchestrator.load.results import CallNote

READERS = 8
Check = Callable[[CallNote, ConversationState], Iterable[str]]


@dataclass
class Findings:
    """What the audit found. `impossible` says why there was none.

    `lost`: turns that were answered and are not in the state. `dead_lines`: what was said into a connection that broke,
    and is not in the state: it may never have reached the server. `doubled`: turns that are there more than once.
    `reordered`: calls whose turns are there in another order. `wrong`: answers that were heard otherwise than the state
    has them. `misheard`: answers that were interrupted, of which the state holds other words than were heard.
    `remarks` are what the `check` says.
    """

    calls: int = 0
    turns: int = 0
    lost: int = 0
    doubled: int = 0
    reordered: int = 0
    wrong: int = 0
    cut_off: int = 0
    misheard: int = 0
    unread: int = 0
    dead_lines: int = 0
    impossible: str = ""
    outcomes: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def note(self, what: str, call_sid: str, turns: int) -> None:
        """Keep a few examples for a person to look at."""
        if turns and len(self.examples) < 5:
            self.examples.append(f"{call_sid}: {turns} {what}")


class Auditor:
    """Reads states over the API. `forget` ends and deletes each call that passed the audit.

    `check` yields sentences about what else is wrong: it knows the agent.
    """

    def __init__(self, server: Server, *, forget: bool, check: Check | None = None) -> None:
        self._server = server
        self._check = check
        self._forget = forget
        self.findings = Findings()

    async def audit(self, calls: list[CallNote]) -> Findings:
        """Compare every call that had at least one turn."""
        waiting = iter([call for call in calls if any(turn.is_over for turn in call.turns)])
        async with asyncio.TaskGroup() as readers:
            for _ in range(READERS):
                readers.create_task(self._read(waiting))
        return self.findings

    async def _read(self, waiting: Iterator[CallNote]) -> None:
        for call in waiting:
            if self.findings.impossible:
                return
            state = await self._state(call)
            if state is not None:
                await self._compare(call, state)

    async def _state(self, call: CallNote) -> ConversationState | None:
        try:
            response = await self._server.client.get(self._url(call), headers=self._server.headers)
            if response.status_code in (401, 403):
                key = "the API_KEY that is set here is another than its own" if self._server.api_key else "set API_KEY"
                self.findings.impossible = f"the server does not open its API to us; {key}"
                return None
            if response.status_code == 404:
                answered = [turn for turn in call.turns if turn.is_over and not turn.uncertain]
                self.findings.lost += len(answered)
                self.findings.note("turns lost with the whole call", call.call_sid, len(answered))
                return None
            return ConversationState.model_validate_json(response.raise_for_status().content)
        except (httpx.HTTPError, ValidationError):
            self.findings.unread += 1
            return None

    async def _compare(self, call: CallNote, state: ConversationState) -> None:
        kept = Counter(record.text for record in state.turns if record.kind == "speech")
        ids = Counter(record.turn_id for record in state.turns)
        answered = [turn for turn in call.turns if turn.words and turn.is_over]
        missing = [turn.uncertain for turn in answered if kept[turn.words] == 0]
        unnamed = kept[HIDDEN]  # of sensitive turns the words are kept nowhere: each is one of those that seem missing
        lost = max(missing.count(False) - unnamed, 0)
        dead = min(missing.count(True), max(len(missing) - unnamed, 0))
        doubled = sum(max(0, kept[turn.words] - 1) for turn in call.turns if turn.words)
        doubled = max(doubled, sum(count - 1 for count in ids.values()))
        heard = {record.text: record.heard for record in state.turns if record.kind == "speech"}
        misheard = sum(not turn.agrees_with(heard.get(turn.words, turn.heard)) for turn in call.cut_off)
        self.findings.calls += 1
        self.findings.cut_off += len(call.cut_off)
        self.findings.misheard += misheard
        for outcome, count in Counter(r.outcome for r in state.turns if r.kind == "speech").items():
            self.findings.outcomes[outcome] = self.findings.outcomes.get(outcome, 0) + count
        self.findings.turns += len(answered) - dead
        self.findings.dead_lines += dead
        self.findings.lost += lost
        self.findings.doubled += doubled
        reordered, wrong = int(_is_reordered(call, state)), _wrong_answers(call, state)
        self.findings.reordered += reordered
        self.findings.wrong += wrong
        if self._check is not None:
            self.findings.remarks += self._check(call, state)
        self.findings.note("turns lost", call.call_sid, lost)
        self.findings.note("turns doubled", call.call_sid, doubled)
        self.findings.note("order of turns that is not that of the caller", call.call_sid, reordered)
        self.findings.note("answers heard otherwise than kept", call.call_sid, wrong)
        self.findings.note("answers cut off, and kept otherwise", call.call_sid, misheard)
        if self._forget and not (lost or doubled or reordered or wrong or misheard):
            await self._end(call)

    async def _end(self, call: CallNote) -> None:
        try:
            await self._server.client.delete(self._url(call), headers=self._server.headers)
        except httpx.HTTPError:
            return  # it ends by its TTL

    def _url(self, call: CallNote) -> str:
        return f"{self._server.url}/calls/{quote(call.call_sid, safe='')}"


def _is_reordered(call: CallNote, state: ConversationState) -> bool:
    """True if the state has the caller's turns in another order than they were said."""
    said = [turn.words for turn in call.turns if turn.words]
    kept = list(dict.fromkeys(record.text for record in state.turns if record.kind == "speech"))
    common = set(said) & set(kept)
    return [words for words in said if words in common] != [text for text in kept if text in common]


def _wrong_answers(call: CallNote, state: ConversationState) -> int:
    """Return how many answers were heard otherwise than the state has them.

    Other words may come before: a filler, or what was still to be said of an earlier reply.
    """
    kept = {record.text: record for record in state.turns if record.kind == "speech" and record.outcome == "replied"}
    wrong = 0
    for turn in call.turns:
        record = kept.get(turn.words)
        if record is not None and turn.answer and turn.is_whole and record.heard is None:
            wrong += not _joined(turn.answer).endswith(_joined(record.reply.text))
    return wrong


def _joined(text: str) -> str:
    """Return the text as it is heard: how it was spread over verbs leaves no trace."""
    return "".join(text.split())
