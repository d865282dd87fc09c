"""Caches the JSON of long conversations, so that not all of it is parsed and written again at each turn.

A worker that commits a turn mostly runs the next one of the call, too. If it is given the JSON that it wrote last, it
need not parse it; and records that have not changed keep their JSON. What is written is byte for byte what
`model_dump_json` gives.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.conversation.state import ConversationState, TurnRecord

SHORT_TURNS = 8
"""A conversation of up to this many turns is parsed as fast as it is looked up."""

_FIELDS = list(ConversationState.model_fields)
_BEFORE = set(_FIELDS[: _FIELDS.index("turns")])


@dataclass(slots=True)
class _Known:
    text: bytes
    state: ConversationState
    records: list[str]


class StateJsonCache:
    """The states that were written last, by call SID. Bounded in bytes: the least recently used goes first."""

    def __init__(self, parse: Callable[[str, bytes], ConversationState], *, max_bytes: int = 32 << 20) -> None:
        self._max_bytes = max_bytes
        self._parse = parse
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._bytes = 0

    def read(self, call_sid: str, text: bytes) -> ConversationState:
        """Return the state in `text`. It may be shared: change copies only. Raise what `parse` raises."""
        known = self._known.get(call_sid)
        if known is not None and known.text == text:
            self._known.move_to_end(call_sid)
            return known.state
        return self._parse(call_sid, text)

    def write(self, state: ConversationState) -> bytes:
        """Return the JSON of `state`, which must not be changed afterwards."""
        known = self._drop(state.call_sid)
        if len(state.turns) <= SHORT_TURNS:
            return state.model_dump_json().encode()
        records = _records(state.turns, known)
        text = _assembled(state, records)
        if state.ended is None:
            self._keep(state.call_sid, _Known(text, state, records))
        return text

    def _keep(self, call_sid: str, known: _Known) -> None:
        self._known[call_sid] = known
        self._bytes += len(known.text)
        while self._bytes > self._max_bytes:
            _, dropped = self._known.popitem(last=False)
            self._bytes -= len(dropped.text)

    def _drop(self, call_sid: str) -> _Known | None:
        known = self._known.pop(call_sid, None)
        if known is not None:
            self._bytes -= len(known.text)
        return known


def _records(turns: list[TurnRecord], known: _Known | None) -> list[str]:
    """Return the JSON of each record. A record that is the same object as last time keeps its text."""
    before = known.state.turns if known else []
    texts = known.records if known else []
    return [
        texts[i] if i < len(before) and before[i] is record else record.model_dump_json()
        for i, record in enumerate(turns)
    ]


def _assembled(state: ConversationState, records: list[str]) -> bytes:
    front = state.model_dump_json(include=_BEFORE)
    back = state.model_dump_json(exclude=_BEFORE | {"turns"})
    return f'{front[:-1]},"turns":[{",".join(records)}],{back[1:]}'.encode()
