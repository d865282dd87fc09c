"""The contract of turn stores: erasing calls."""

import pytest

from orchestrator.errors import CallErased
from orchestrator.state.base import StateManagerBase
from orchestrator.testing.example_turns import OPENING, a_turn, claimed, commit
from orchestrator.turns.store import TurnStore

PHONE = {"channel": "gather"}


class ErasureContract:
    """A base of `TurnStoreContract`, whose fixtures it uses."""

    async def test_an_erased_call_leaves_nothing_of_its_turns(self, store: TurnStore, states: StateManagerBase) -> None:
        await store.submit(a_turn("t1", text="my secret"), opening=PHONE)
        claim = await claimed(store)
        await store.dead_letter(claim, "it took its worker down")
        await commit(store, claim, "your secret")
        await store.submit(a_turn("t2", text="another"))
        await store.submit(a_turn("t1", "CA1/other", text="of another call"), opening=PHONE)
        await store.dead_letter(await claimed(store, "CA1/other"), "it took its worker down")
        await store.erase("CA1")
        await states.delete_state("CA1")
        assert await store.find("CA1", "t1") is None
        assert await store.waiting("CA1") == []
        assert await store.claim("CA1", "anna") is None
        assert [letter.turn.call_sid for letter in await store.dead_letters()] == ["CA1/other"]

    async def test_an_erased_call_is_not_begun_anew_by_a_provider(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1"), opening=PHONE)
        assert not await store.is_erased("CA1")
        await store.erase("CA1")
        await states.delete_state("CA1")
        assert await store.is_erased("CA1")
        for channel in ("gather", "relay"):
            with pytest.raises(CallErased):
                await store.submit(a_turn("t1"), opening={"channel": channel})
        assert await states.get_state("CA1") is None
        assert await store.submit(a_turn("t1", "CA2"), opening=PHONE) is None
        assert await store.submit(a_turn("t1"), opening=OPENING) is None, "a client of the API may use the name again"

    async def test_a_call_is_erased_wherever_something_of_it_is_kept(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1", text="my secret"), opening=PHONE)
        claim = await claimed(store)
        await store.dead_letter(claim, "it took its worker down")
        await store.submit(a_turn("t2", text="another"))
        assert not await store.erasure.begin("CA1")
        assert await store.erasure.erase("CA1", None, is_known=False, is_phone=True)
        await states.delete_state("CA1")
        assert (await commit(store, claim, "too late")).status in ("lost", "gone")
        assert await store.find("CA1", "t1") is None
        assert await store.waiting("CA1") == []
        assert await store.dead_letters() == []
        assert await store.claim("CA1", "anna") is None
        assert await store.erasure.begin("CA1"), "it may be repeated"
        assert not await store.erasure.erase("CA1", None, is_known=False, is_phone=True)
        with pytest.raises(CallErased):
            await store.submit(a_turn("t1"), opening=PHONE)

    async def test_an_erasure_that_found_nothing_can_be_taken_back(self, store: TurnStore) -> None:
        await store.erasure.begin("CA1")
        assert not await store.erasure.erase("CA1", None, is_known=False, is_phone=True)
        await store.erasure.forget("CA1")
        assert await store.submit(a_turn("t1"), opening=PHONE) is None

    async def test_who_works_on_an_erased_call_writes_nothing_of_it(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        await store.erase("CA1")
        await states.delete_state("CA1")
        await commit(store, claim, "too late")
        await store.submit(a_turn("t1"), opening=OPENING)
        await commit(store, claim, "too late")
        assert await store.find("CA1", "t1") == "waiting"
        assert (await commit(store, await claimed(store), "in time")).status == "committed"
