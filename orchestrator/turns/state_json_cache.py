"""Caches the JSON of conversations, so that not all of it is parsed and written again at each turn.

A worker that commits a turn mostly runs the next one of the call, too. If it is given the JSON that it wrote last, it
need not parse it; and records that have not changed keep their JSON. What is written is byte for byte what
`model_dump_json` gives.
"""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.conversation.state import ConversationState, TurnRecord

SHORT_TURNS = 3
"""A conversation of up to this many turns is written as a whole as fast as it is put together."""
LONG_TURNS = 8
"""One that this process has not written last is written as a whole up to so many turns."""
MOST_STATES = 1000
"""How many calls are kept at most: each holds its state, too, which takes some times the memory of its JSON."""

_FIELDS = list(ConversationState.model_fields)
_BEFORE = set(_FIELDS[: _FIELDS.index("turns")])


@dataclass(slots=True)
class _Known:
    stored: bytes
    state: ConversationState
    records: list[str]  # of the first turns; none if the state was written as a whole


class StateJsonCache:
    """The states that were written last, by call SID. Bounded in bytes: the least recently used goes first.

    `seal` returns a state's JSON as it is stored, and `parse` the state in what is stored. What is read is compared
    with what was written as both are stored.
    """

    def __init__(
        self,
        parse: Callable[[str, bytes], ConversationState],
        seal: Callable[[ConversationState, bytes], bytes] = lambda state, text: text,
        *,
        max_bytes: int = 32 << 20,
        most_states: int = MOST_STATES,
    ) -> None:
        self._most_states = most_states
        self._max_bytes = max_bytes
        self._parse = parse
        self._seal = seal
        self._known: OrderedDict[str, _Known] = OrderedDict()
        self._bytes = 0

    def read(self, call_sid: str, stored: bytes) -> ConversationState:
        """Return the state in what is `stored`. It may be shared: change copies only. Raise what `parse` raises."""
        known = self._known.get(call_sid)
        if known is not None and known.stored == stored:
            self._known.move_to_end(call_sid)
            return known.state
        return self._parse(call_sid, stored)

    def write(self, state: ConversationState) -> bytes:
        """Return the JSON of `state`, as it is stored, which must not be changed afterwards."""
        known = self._drop(state.call_sid)
        records, text = _written(state, known)
        stored = self._seal(state, text)
        if state.ended is None:
            self._keep(state.call_sid, _Known(stored, state, records))
        return stored

    def _keep(self, call_sid: str, known: _Known) -> None:
        self._known[call_sid] = known
        self._bytes += len(known.stored)
        while self._bytes > self._max_bytes or len(self._known) > self._most_states:
            _, dropped = self._known.popitem(last=False)
            self._bytes -= len(dropped.stored)

    def _drop(self, call_sid: str) -> _Known | None:
        known = self._known.pop(call_sid, None)
        if known is not None:
            self._bytes -= len(known.stored)
        return known


def _written(state: ConversationState, known: _Known | None) -> tuple[list[str], bytes]:
    """Return the JSON of each record, which may be left out, and that of the state.

    The records of a conversation that ran elsewhere before are put together only if there are many: it may go on
    elsewhere, too.
    """
    if len(state.turns) <= (SHORT_TURNS if known is not None else LONG_TURNS):
        return [], state.model_dump_json().encode()
    records = _records(state.turns, known)
    return records, _assembled(state, records)


def _records(turns: list[TurnRecord], known: _Known | None) -> list[str]:
    """Return the JSON of each record. A record that is the same object as last time keeps its text."""
    records = []
    if known is not None:  # which has as many turns as texts, or more
        before = zip(known.records, known.state.turns, turns, strict=False)
        records = [text if written is record else record.model_dump_json() for text, written, record in before]
    return records + [record.model_dump_json() for record in turns[len(records) :]]


def _assembled(state: ConversationState, records: list[str]) -> bytes:
    front = state.model_dump_json(include=_BEFORE)
    back = state.model_dump_json(exclude=_BEFORE | {"turns"})
    return f'{front[:-1]},"turns":[{",".join(records)}],{back[1:]}'.encode()
