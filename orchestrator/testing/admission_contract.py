"""The part of the turn stores' contract that is about how many calls a tenant or a route may have at once."""

import asyncio
from typing import Any

import pytest

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import CallRefused, UnknownCall
from orchestrator.routes.admission import Admission
from orchestrator.state.base import StateManagerBase
from orchestrator.testing.example_turns import OPENING, a_turn, claimed, commit
from orchestrator.turns.store import TurnStore

NORTH = Admission("north", 2)
PLACED: dict[str, Any] = {"direction": "outbound-api"}


class AdmissionContract:
    """Mixed into the suite of turn stores."""

    async def _begin(self, store: TurnStore, call_sid: str, admission: Admission = NORTH, **opening: Any) -> bool:
        """Return whether the call began."""
        try:
            await store.submit(a_turn("t1", call_sid), opening={**OPENING, **opening}, admission=admission)
        except CallRefused:
            return False
        return True

    async def test_a_limit_holds_for_the_calls_of_its_name(self, store: TurnStore, states: StateManagerBase) -> None:
        assert [await self._begin(store, f"CA{number}") for number in range(3)] == [True, True, False]
        assert await self._begin(store, "CA4", Admission("south", 2))
        assert await store.submit(a_turn("t1", "CA5"), opening=OPENING) is None
        assert await states.get_state("CA2") is None
        with pytest.raises(UnknownCall):
            await store.submit(a_turn("t2", "CA2"))

    async def test_a_call_that_has_begun_goes_on_though_all_lines_are_taken(self, store: TurnStore) -> None:
        assert [await self._begin(store, f"CA{number}") for number in range(3)] == [True, True, False]
        assert await self._begin(store, "CA1"), "it is repeated"
        assert await store.submit(a_turn("t2", "CA1"), opening=OPENING, admission=NORTH) is None

    async def test_of_callers_who_come_at_once_as_many_get_a_line_as_there_are(self, store: TurnStore) -> None:
        came = await asyncio.gather(*(self._begin(store, f"CA{n}", Admission("north", 5)) for n in range(20)))
        assert came.count(True) == 5
        assert not await self._begin(store, "CA20", Admission("north", 5))

    async def test_the_line_of_a_call_that_is_over_is_free(self, store: TurnStore) -> None:
        assert [await self._begin(store, f"CA{number}") for number in range(3)] == [True, True, False]
        await commit(store, await claimed(store, "CA0"), "bye", hang_up=True)
        came = await asyncio.gather(*(self._begin(store, f"CB{number}") for number in range(4)))
        assert came.count(True) == 1

    async def test_the_line_of_a_call_that_is_erased_is_free(self, store: TurnStore, states: StateManagerBase) -> None:
        assert [await self._begin(store, f"CA{number}") for number in range(3)] == [True, True, False]
        await store.erase("CA0")
        await states.delete_state("CA0")
        assert [await self._begin(store, f"CB{number}") for number in range(2)] == [True, False]

    async def test_a_placed_call_counts_and_is_not_refused(self, store: TurnStore) -> None:
        assert [await self._begin(store, f"CA{number}", **PLACED) for number in range(3)] == [True, True, True]
        assert not await self._begin(store, "CA4")

    async def test_a_call_that_is_accepted_without_a_turn_counts(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        assert await store.has_room(NORTH)
        for number in range(2):
            state: ConversationState = await states.create_state(f"CA{number}", **PLACED)
            await store.accept(state, NORTH)
        assert not await store.has_room(NORTH)
        assert await store.has_room(Admission("south", 1))
        assert not await self._begin(store, "CA4")
        assert await self._begin(store, "CA1"), "it is answered"
        await commit(store, await claimed(store, "CA1"), "bye", hang_up=True)
        assert await store.has_room(NORTH)
