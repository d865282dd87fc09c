"""The contract of turn stores as a test suite; `orchestrator.turns.store` says the rules in words.

In a test module of yours (pytest with the anyio plugin, `anyio_mode = "auto"`):

    from orchestrator.testing.turn_store_contract import TurnStoreContract

    class TestMyTurnStore(TurnStoreContract):
        @pytest.fixture
        async def store(self):
            yield MyTurnStore(…)               # empty

        @pytest.fixture
        def states(self, store):
            return …                           # the state manager that the store writes through

        def limited(self, store, most):
            …                                  # the same store with `max_active_calls=most`

        async def expire(self, store, lease):
            …                                  # make the time of this lease run out, now

Without the hooks `limited` and `expire` their tests are skipped.
"""

import asyncio

import pytest

from orchestrator.conversation.reply import Reply, TurnResult
from orchestrator.conversation.timings import milliseconds_since
from orchestrator.errors import BadCallSid, CallEnded, CallRefused, TurnRejected, UnknownCall
from orchestrator.state.base import StateManagerBase
from orchestrator.testing.admission_contract import AdmissionContract
from orchestrator.testing.erasure_contract import ErasureContract
from orchestrator.testing.example_turns import OPENING, a_turn, answered, claimed, commit, held
from orchestrator.testing.lease_contract import LeaseContract
from orchestrator.turns import outcome as outcomes
from orchestrator.turns.store import TurnStore

__all__ = ["TurnStoreContract", "a_turn", "answered", "claimed", "commit", "held"]


class TurnStoreContract(LeaseContract, ErasureContract, AdmissionContract):
    """Subclass it with a name that begins with `Test`, and override `store` and `states`."""

    @pytest.fixture
    def store(self) -> TurnStore:
        """Return an empty store."""
        raise NotImplementedError("override the fixture `store` with one that gives your turn store")

    @pytest.fixture
    def states(self, store: TurnStore) -> StateManagerBase:
        """Return the manager through which the states of `store` are read and written from outside."""
        raise NotImplementedError("override the fixture `states` with the state manager of your turn store")

    def limited(self, store: TurnStore, most: int) -> TurnStore:
        """Return the same store with a limit of `most` active calls."""
        pytest.skip("override `limited` to test the limit of active calls")

    async def test_a_first_turn_begins_the_call(self, store: TurnStore, states: StateManagerBase) -> None:
        assert await store.submit(a_turn("t1"), opening={"channel": "relay", "slots": {"a": 1}}) is None
        state = await states.get_state("CA1")
        assert state is not None
        assert (state.version, state.channel, state.slots, state.turns) == (1, "relay", {"a": 1}, [])

    async def test_a_turn_of_a_call_nobody_knows_is_refused(self, store: TurnStore) -> None:
        with pytest.raises(UnknownCall):
            await store.submit(a_turn("t1"))
        assert await store.find("CA1", "t1") is None
        assert await store.claim("CA1", "anna") is None

    async def test_a_bad_call_sid_is_refused(self, store: TurnStore) -> None:
        with pytest.raises(BadCallSid):
            await store.submit(a_turn("t1", call_sid="a{b"), opening=OPENING)
        with pytest.raises(BadCallSid):
            await store.find("a{b", "t1")

    async def test_a_turn_submitted_again_waits_once(self, store: TurnStore) -> None:
        for _ in range(3):
            assert await store.submit(a_turn("t1"), opening=OPENING) is None
        assert (await commit(store, await claimed(store))).next is None
        assert await store.claim("CA1", "anna") is None

    async def test_a_turn_submitted_many_times_at_once_waits_once(self, store: TurnStore) -> None:
        await asyncio.gather(*(store.submit(a_turn("t1"), opening=OPENING) for _ in range(20)))
        assert (await commit(store, await claimed(store))).next is None

    async def test_an_answered_turn_submitted_again_gives_its_result(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await commit(store, await claimed(store), "certainly")
        recorded = await store.submit(a_turn("t1", text="something else"), opening=OPENING)
        assert recorded == TurnResult(call_sid="CA1", turn_id="t1", outcome="replied", reply=Reply(text="certainly"))
        assert await store.claim("CA1", "anna") is None

    async def test_a_turn_can_be_found_while_it_waits_and_when_it_is_answered(self, store: TurnStore) -> None:
        assert await store.find("CA1", "t1") is None
        await store.submit(a_turn("t1"), opening=OPENING)
        assert await store.find("CA1", "t1") == "waiting"
        claim = await claimed(store)
        assert await store.find("CA1", "t1") == "waiting"
        await commit(store, claim, "certainly")
        found = await store.find("CA1", "t1")
        assert isinstance(found, TurnResult)
        assert found.reply.text == "certainly"

    async def test_a_claim_before_the_end_says_that_the_call_ends(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await store.submit(a_turn("t2"))
        claim = await claimed(store)
        await store.submit(a_turn("end", kind="ended", text="completed"))
        second = held(await commit(store, claim))
        assert (second.turn.turn_id, second.ending) == ("t2", True)
        last = held(await commit(store, second, "", outcome="dropped"))
        assert (last.turn.kind, last.ending) == ("ended", True)

    async def test_an_ended_call_takes_no_more_turns_but_gives_its_results(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        assert (await commit(store, await claimed(store), "bye", hang_up=True)).status == "committed"
        for opening in (None, OPENING):
            with pytest.raises(CallEnded):
                await store.submit(a_turn("t2"), opening=opening)
        recorded = await store.submit(a_turn("t1"))
        assert recorded is not None
        assert recorded.reply.text == "bye"
        assert await store.claim("CA1", "anna") is None

    async def test_a_turn_that_waits_when_the_call_ends_is_still_the_same_turn(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await store.submit(a_turn("t2"))
        following = held(await commit(store, await claimed(store), "bye", hang_up=True))
        assert await store.submit(a_turn("t2")) is None, "it was accepted, and will be dropped in its turn"
        assert following.state is not None
        assert following.state.ended is not None
        await commit(store, following, "", outcome="dropped")
        recorded = await store.submit(a_turn("t2"))
        assert recorded is not None
        assert recorded.outcome == "dropped"

    async def test_a_state_that_was_changed_under_the_lease_is_a_conflict(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        assert claim.state is not None
        changed = await states.update_state(claim.state.model_copy(update={"slots": {"vip": True}}))
        refused = await commit(store, claim)
        assert (refused.status, refused.state, refused.next) == ("conflict", changed, None)
        assert await store.find("CA1", "t1") == "waiting"
        assert await store.renew([claim.lease]) == []
        claim.state = refused.state
        assert (await commit(store, claim)).status == "committed"
        stored = await states.get_state("CA1")
        assert stored is not None
        assert (stored.slots, len(stored.turns)) == ({"vip": True}, 1)

    async def test_a_turn_whose_call_was_deleted_is_settled_without_a_state(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        await states.delete_state("CA1")
        assert (await commit(store, claim)).status in ("gone", "lost")
        assert await states.get_state("CA1") is None
        assert await store.claim("CA1", "bert") is None

    async def test_a_claim_of_a_call_without_a_state_can_be_settled(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await states.delete_state("CA1")
        claim = await store.claim("CA1", "anna")
        if claim is not None:
            assert claim.state is None
            record = outcomes.dropped_record(claim.turn, epoch=claim.lease.epoch)
            assert (await store.commit(claim, None, record)).next is None
        assert await store.claim("CA1", "bert") is None
        assert await states.get_state("CA1") is None

    async def test_a_sid_used_again_after_its_deletion_is_a_new_call(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await commit(store, await claimed(store), "bye", hang_up=True)
        await states.delete_state("CA1")
        with pytest.raises(UnknownCall):
            await store.submit(a_turn("t2"))
        assert await store.submit(a_turn("t1"), opening=OPENING) is None
        claim = await claimed(store)
        assert (claim.turn.turn_id, claim.ending, claim.attempt) == ("t1", False, 1)
        assert (await commit(store, claim, "hello again")).status == "committed"
        state = await states.get_state("CA1")
        assert state is not None
        assert [record.reply.text for record in state.turns] == ["hello again"]

    async def test_who_works_on_a_deleted_call_cannot_write_into_the_next_of_its_sid(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        old = await claimed(store)
        await states.delete_state("CA1")
        await store.submit(a_turn("t1", text="new"), opening=OPENING)
        new = await claimed(store, holder="bert")
        assert new.lease.epoch > old.lease.epoch
        assert new.turn.text == "new"
        await commit(store, old, "of the old call")
        await commit(store, new, "of the new call")
        found = await store.find("CA1", "t1")
        assert isinstance(found, TurnResult)
        state = await states.get_state("CA1")
        assert state is not None
        assert [record.reply.text for record in state.turns] == [found.reply.text]

    async def test_a_rejected_turn_is_dropped_unrun(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        await store.submit(a_turn("t2"))
        await store.submit(a_turn("t3"))
        assert await store.reject("CA1", "t2") is True
        assert await store.reject("CA1", "t2") is False
        recorded = await store.submit(a_turn("t2"))
        assert recorded is not None
        assert recorded.outcome == "dropped"
        assert held(await commit(store, claim)).turn.turn_id == "t3"

    async def test_a_running_an_answered_or_an_unknown_turn_cannot_be_rejected(self, store: TurnStore) -> None:
        assert await store.reject("CA1", "t1") is False
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        assert await store.reject("CA1", "t1") is False
        await commit(store, claim)
        assert await store.reject("CA1", "t1") is False

    async def test_a_hundred_turns_wait_and_no_more(self, store: TurnStore) -> None:
        for number in range(100):
            await store.submit(a_turn(f"t{number}"), opening=OPENING)
        with pytest.raises(TurnRejected):
            await store.submit(a_turn("t100"))
        assert await store.submit(a_turn("t99")) is None

    async def test_beyond_the_limit_new_calls_are_refused_and_old_ones_go_on(self, store: TurnStore) -> None:
        store = self.limited(store, 2)
        await store.submit(a_turn("t1", "CA1"), opening=OPENING)
        await store.submit(a_turn("t1", "CA2"), opening=OPENING)
        with pytest.raises(CallRefused):
            await store.submit(a_turn("t1", "CA3"), opening=OPENING)
        assert await store.submit(a_turn("t2", "CA2"), opening=OPENING) is None
        await commit(store, await claimed(store), "bye", hang_up=True)
        assert await store.submit(a_turn("t1", "CA3"), opening=OPENING) is None

    async def test_a_call_that_we_placed_is_let_in_beyond_the_limit(self, store: TurnStore) -> None:
        store = self.limited(store, 1)
        await store.submit(a_turn("t1", "CA1"), opening=OPENING)
        placed = {"channel": "gather", "direction": "outbound-api"}
        assert await store.submit(a_turn("t1", "CA2"), opening=placed) is None

    async def test_a_call_whose_end_came_first_does_not_begin(self, store: TurnStore, states: StateManagerBase) -> None:
        with pytest.raises(UnknownCall):
            await store.submit(a_turn("ended", kind="ended", text="completed"))
        for _ in range(2):
            with pytest.raises(CallEnded):
                await store.submit(a_turn("t1"), opening=OPENING)
        assert await states.get_state("CA1") is None
        assert await store.submit(a_turn("t1", "CA2"), opening=OPENING) is None

    async def test_a_turn_says_when_it_was_submitted_and_claimed_and_its_result_when_it_was_committed(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        late = {"t0": {"first_sent": 12.3}}
        turn = a_turn("t1").model_copy(update={"late_timings": late})
        await store.submit(turn, opening=OPENING)
        await store.submit(a_turn("t2"))
        claim = await claimed(store)
        assert claim.turn.submitted_ms is not None
        assert 0 <= claim.turn.submitted_ms <= milliseconds_since(turn.received_at.timestamp(), claim.claimed_at)
        assert claim.turn.late_timings == late
        state, record = answered(claim)
        record.timings.update(claimed=1.5, committed=2.5)
        following = held(await store.commit(claim, state, record))
        assert following.turn.submitted_ms is not None
        assert following.claimed_at >= claim.claimed_at
        for found in (await store.find("CA1", "t1"), await store.submit(turn)):
            assert isinstance(found, TurnResult)
            assert found.timings == {"claimed": 1.5, "committed": 2.5}
        written = await states.get_state("CA1")
        assert written is not None
        assert written.turns[0].timings == {"claimed": 1.5, "committed": 2.5}

    async def test_dead_lettering_a_turn_twice_is_fine(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        await store.dead_letter(claim, "it took its worker down")
        await store.dead_letter(claim, "it took its worker down")
