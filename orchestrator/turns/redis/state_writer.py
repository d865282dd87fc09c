"""How a commit writes the call's state: in the commit's own script, or in another store before it.

| | state in the same Redis | state elsewhere |
|---|---|---|
| who writes it | the script, if the stored version is the expected one | `prepare`, by the manager's compare-and-set |
| conflict | found by the script | found by `prepare` |
| what the script gets | version and JSON, or `GONE` | `ELSEWHERE`, or `GONE` |
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from pydantic import ValidationError

from orchestrator.clock import utc_now
from orchestrator.conversation.copies import changed
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import CallEnded, CallRefused, StateConflict, StoreDamaged, UnknownCall, UnreadableState
from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.base import StateManagerBase
from orchestrator.state.reading import unreadable
from orchestrator.state.redis.sealed_states import opened_state, sealed_state
from orchestrator.turns.redis.scripts import ELSEWHERE, GONE, ExpectedVersion, ended_early
from orchestrator.turns.state_json_cache import StateJsonCache
from orchestrator.turns.store import Claim

Admit = Callable[[], Awaitable[bool]]
"""Takes a line of the call's limit. False: there is none."""
MISSING_VERSION = 0
"""No state has it: whatever is stored now conflicts with a claim that found none."""


@dataclass(slots=True)
class Opening:
    """What a submit needs to know of the call's state.

    `json` is a state to begin the call with, or b"", `tenant` whose call it is. `elsewhere_since` is when a state was
    created that is kept elsewhere: a SID may be used again. `ringing` is the state of a phone call that may begin.
    `state` is that of any call that may begin.
    """

    json: bytes = b""
    elsewhere_since: str | None = None
    ringing: ConversationState | None = None
    state: ConversationState | None = None
    tenant: str = ""


@dataclass(slots=True)
class Prepared:
    """A commit that is ready for its script. `state` is None if there is none to be written.

    `record` is the one that counts: an earlier attempt may have written another.
    """

    expected: ExpectedVersion
    json: bytes
    state: ConversationState | None
    record: TurnRecord

    @property
    def is_over(self) -> bool:
        """True if the call has ended with this commit, or before it."""
        return self.state is not None and self.state.ended is not None


@dataclass(slots=True)
class Conflict:
    """The state was changed by somebody else: `stored` is what is there now."""

    stored: ConversationState


def _ringing(state: ConversationState) -> ConversationState | None:
    return None if state.channel == "api" else state


class StateWriter(Protocol):
    """What the turn store needs of the states."""

    in_same_redis: bool

    async def open(self, call_sid: str, opening: Mapping[str, Any] | None, limit: int | None, admit: Admit) -> Opening:
        """Prepare a submit. Raise `UnknownCall`, `CallEnded` or `CallRefused` if the call is not to begin."""

    async def read(self, call_sid: str, stored: bytes | None) -> ConversationState | None:
        """Return the state, of which a script may have sent the `stored` JSON. Raise `UnreadableState`."""

    async def load(self, call_sid: str) -> ConversationState | None:
        """Return the state from where it is kept. Raise `UnreadableState`."""

    async def prepare(self, claim: Claim, state: ConversationState | None, record: TurnRecord) -> Prepared | Conflict:
        """Make a commit of `state`, which holds `record`, ready."""


class SameRedisStates:
    """The states are in the Redis of the turns: the commit's own script writes them."""

    in_same_redis = True

    def __init__(self, connection: StoreConnection) -> None:
        self._connection = connection
        self._cipher = connection.cipher
        self._cache = StateJsonCache(partial(opened_state, self._cipher), self._sealed)

    async def open(self, call_sid: str, opening: Mapping[str, Any] | None, limit: int | None, admit: Admit) -> Opening:
        if opening is None:
            return Opening()
        state = ConversationState(call_sid=call_sid, version=1, **opening)
        stored = self._sealed(state, state.model_dump_json().encode())
        return Opening(stored, ringing=_ringing(state), state=state, tenant=state.tenant)

    def _sealed(self, state: ConversationState, text: bytes) -> bytes:
        return sealed_state(self._cipher, state, text)

    async def read(self, call_sid: str, stored: bytes | None) -> ConversationState | None:
        return self._cache.read(call_sid, stored) if stored else None

    async def load(self, call_sid: str) -> ConversationState | None:
        try:
            return await self.read(call_sid, await self._connection.command("GET", keys.state(call_sid)))
        except StoreDamaged:
            raise UnreadableState from None

    async def prepare(self, claim: Claim, state: ConversationState | None, record: TurnRecord) -> Prepared:
        if state is None:
            return Prepared(GONE if claim.unreadable else MISSING_VERSION, b"", None, record)
        written = changed(state, version=state.version + 1, updated_at=utc_now())
        return Prepared(state.version, self._cache.write(written), written, record)


class ElsewhereStates:
    """A manager of the user's own keeps the states: they are written before the commit's script."""

    in_same_redis = False

    def __init__(self, manager: StateManagerBase, connection: StoreConnection) -> None:
        self._manager = manager
        self._connection = connection

    async def open(self, call_sid: str, opening: Mapping[str, Any] | None, limit: int | None, admit: Admit) -> Opening:
        state = await self._manager.get_state(call_sid)
        if state is None:
            state = await self._created(call_sid, opening, limit, admit)
        since = state.created_at.isoformat()
        if opening is None:
            return Opening(elsewhere_since=since)
        ringing = _ringing(ConversationState(call_sid=call_sid, **opening))
        begins = state if state.ended is None else None
        return Opening(elsewhere_since=since, ringing=ringing, state=begins, tenant=state.tenant)

    async def _created(
        self, call_sid: str, opening: Mapping[str, Any] | None, limit: int | None, admit: Admit
    ) -> ConversationState:
        if opening is None:
            raise UnknownCall
        if await self._connection.run(ended_early(call_sid=call_sid, note=False)):
            raise CallEnded
        if limit is not None and await self._manager.get_active_calls_count() >= limit:
            raise CallRefused
        if not await admit():
            raise CallRefused
        return await self._manager.create_state(call_sid, **opening)

    async def read(self, call_sid: str, stored: bytes | None) -> ConversationState | None:
        return await self.load(call_sid)

    async def load(self, call_sid: str) -> ConversationState | None:
        try:
            return await self._manager.get_state(call_sid)
        except ValidationError as error:
            raise unreadable(call_sid, error) from None

    async def prepare(self, claim: Claim, state: ConversationState | None, record: TurnRecord) -> Prepared | Conflict:
        if state is None:
            return Prepared(GONE, b"", None, record)
        try:
            written = await self._manager.update_state(state)
        except StateConflict:
            stored = await self._manager.get_state(state.call_sid)
            if stored is None:
                return Prepared(GONE, b"", None, record)
            first = stored.record_of(record.turn_id)
            if first is None:
                return Conflict(stored)
            return Prepared(ELSEWHERE, b"", stored, first)  # a repeated commit, whose first answer was lost
        return Prepared(ELSEWHERE, b"", written, written.record_of(record.turn_id) or record)


def state_writer(manager: StateManagerBase | None, connection: StoreConnection) -> StateWriter:
    """Return the writer of states that `manager` keeps elsewhere, or that are in the same Redis."""
    if manager is None:  # one with a length is false while it is empty
        return SameRedisStates(connection)
    return ElsewhereStates(manager, connection)
