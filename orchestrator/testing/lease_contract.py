"""The contract of turn stores: who may run a turn, and how its attempts are counted."""

import asyncio

import pytest

from orchestrator.conversation.reply import Position, TurnResult
from orchestrator.conversation.turn import Turn
from orchestrator.state.base import StateManagerBase
from orchestrator.testing.example_turns import OPENING, a_turn, answered, as_given, claimed, commit, held
from orchestrator.turns.messages import Piece
from orchestrator.turns.store import Claim, Commit, TurnStore


class LeaseContract:
    """The tests of leases; `TurnStoreContract` has the fixtures."""

    async def expire(self, store: TurnStore, claim: Claim) -> None:
        """Make the lease of `claim` run out, as if its holder had not renewed it."""
        pytest.skip("override `expire` to test leases that run out")

    async def test_turns_are_handed_out_in_the_order_of_their_arrival(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        for number in range(5):
            await store.submit(a_turn(f"t{number}"), opening=OPENING)
        claim: Claim | None = await claimed(store)
        seen = []
        while claim is not None:
            seen.append(claim.turn.turn_id)
            claim = (await commit(store, claim)).next
        assert seen == ["t0", "t1", "t2", "t3", "t4"]
        state = await states.get_state("CA1")
        assert state is not None
        assert [record.turn_id for record in state.turns] == seen
        assert state.version == 1 + 5

    async def test_a_call_is_claimed_by_one_at_a_time(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claims = await asyncio.gather(*(store.claim("CA1", f"holder-{n}") for n in range(10)))
        assert sum(claim is not None for claim in claims) == 1

    async def test_calls_are_claimed_independently(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1", "CA1"), opening=OPENING)
        await store.submit(a_turn("t1", "CA2"), opening=OPENING)
        assert await store.claim("CA1", "anna") is not None
        assert await store.claim("CA2", "bert") is not None

    async def test_a_turn_that_is_put_off_for_a_more_able_worker_has_used_no_attempt(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        for _ in range(3):
            await store.retry_later(claim, 0, is_attempt=False)
            claim = await claimed(store, holder="bert")
        assert claim.attempt == 1

    async def test_a_claim_says_everything_that_is_needed_to_run_the_turn(self, store: TurnStore) -> None:
        turn = Turn(turn_id="t1", call_sid="CA1", kind="keys", text="42", digits="42", mood="merry")
        await store.submit(turn, opening=OPENING, stream=True)
        claim = await claimed(store)
        assert (as_given(claim.turn), claim.attempt, claim.ending, claim.streamed) == (turn, 1, False, True)
        assert (claim.lease.call_sid, claim.lease.holder) == ("CA1", "anna")
        assert claim.state is not None
        assert claim.state.version == 1

    async def test_a_claim_says_that_its_turn_was_cut_off_already(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await store.submit(a_turn("t2"))
        cut = a_turn("i2", kind="interrupted", text="ye").model_copy(update={"interrupts": "t2"})
        await store.submit(cut)
        claim = await claimed(store)
        assert as_given(claim.interruption) == cut
        claim = held(await commit(store, claim))
        assert (claim.turn.turn_id, as_given(claim.interruption)) == ("t2", cut)
        claim = held(await commit(store, claim))
        assert (as_given(claim.turn), claim.interruption) == (cut, None)

    async def test_a_turn_that_comes_while_another_runs_is_given_by_the_commit(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        assert await store.submit(a_turn("t2")) is None
        assert await store.claim("CA1", "bert") is None
        following = held(await commit(store, claim))
        assert (following.turn.turn_id, following.lease, following.attempt) == ("t2", claim.lease, 1)
        assert following.state is not None
        assert [record.turn_id for record in following.state.turns] == ["t1"]
        assert (await commit(store, following)).status == "committed"

    async def test_the_last_commit_gives_the_lease_back(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        assert (await commit(store, claim)).next is None
        assert await store.renew([claim.lease]) == [claim.lease]
        await store.submit(a_turn("t2"))
        again = await claimed(store, holder="bert")
        assert (again.turn.turn_id, again.lease.epoch) == ("t2", claim.lease.epoch + 1)

    async def test_commit_without_keeping_leaves_the_next_turn_to_another(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await store.submit(a_turn("t2"))
        assert await commit(store, await claimed(store), keep=False) == Commit(
            "committed", None, (await claimed(store, holder="bert")).state
        )

    async def test_a_repeated_commit_changes_nothing(self, store: TurnStore, states: StateManagerBase) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await store.submit(a_turn("t2"))
        claim = await claimed(store)
        state, record = answered(claim)
        first = await store.commit(claim, state, record)
        repeated = await store.commit(claim, state, record)
        assert repeated.status in ("recorded", "conflict")
        if repeated.status == "conflict":  # then the state that comes with it holds the record
            assert repeated.state is not None
            repeated = await store.commit(claim, repeated.state, record)
        assert held(repeated).turn == held(first).turn
        assert (await commit(store, held(repeated))).status == "committed"
        stored = await states.get_state("CA1")
        assert stored is not None
        assert [record.turn_id for record in stored.turns] == ["t1", "t2"]

    async def test_a_lease_that_ran_out_goes_to_another_under_a_new_epoch(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        old = await claimed(store)
        await self.expire(store, old)
        new = await claimed(store, holder="bert")
        assert (new.turn.turn_id, new.lease.epoch, new.attempt) == ("t1", old.lease.epoch + 1, 2)

    async def test_a_lease_that_ran_out_is_still_good_while_nobody_else_has_it(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        claim = await claimed(store)
        await self.expire(store, claim)
        assert await store.renew([claim.lease]) == []
        assert await store.claim("CA1", "bert") is None
        assert (await commit(store, claim)).status == "committed"

    async def test_an_old_epoch_can_do_nothing(self, store: TurnStore, states: StateManagerBase) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        old = await claimed(store)
        await self.expire(store, old)
        new = await claimed(store, holder="bert")
        assert (await store.confirm(old), await store.confirm(new)) == (False, True)
        assert await store.renew([old.lease, new.lease]) == [old.lease]
        assert await store.publish(old.lease, "t1", Piece(Position(), "stale")) is False
        await store.release(old)
        assert await store.claim("CA1", "carl") is None, "the release of an old epoch gave the lease away"
        assert await store.publish(new.lease, "t1", Piece(Position(), "fresh")) is True
        assert (await commit(store, new, "fresh")).status == "committed"
        stale, record = answered(old, "stale")
        assert (await store.commit(old, stale, record)).status in ("lost", "recorded", "conflict")
        stored = await states.get_state("CA1")
        assert stored is not None
        assert [record.reply.text for record in stored.turns] == ["fresh"]
        found = await store.find("CA1", "t1")
        assert isinstance(found, TurnResult)
        assert found.reply.text == "fresh"

    async def test_the_same_holder_under_a_new_epoch_cannot_use_the_old_one(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        old = await claimed(store)
        await self.expire(store, old)
        new = await claimed(store)
        assert await store.renew([old.lease]) == [old.lease]
        assert await store.publish(old.lease, "t1", Piece(Position(), "stale")) is False
        assert await store.renew([new.lease]) == []

    async def test_what_the_state_and_the_store_say_of_a_turn_is_the_same(
        self, store: TurnStore, states: StateManagerBase
    ) -> None:
        """Two workers answer the same turn, the first one after it lost the lease."""
        await store.submit(a_turn("t1"), opening=OPENING)
        old = await claimed(store)
        await self.expire(store, old)
        new = await claimed(store, holder="bert")
        await commit(store, old, "of the old")
        made = await commit(store, new, "of the new")
        if made.status == "conflict":
            assert made.state is not None
            known = made.state.record_of("t1")
            assert known is not None
            made = await store.commit(new, made.state, known)
        stored = await states.get_state("CA1")
        assert stored is not None
        found = await store.find("CA1", "t1")
        assert isinstance(found, TurnResult)
        assert [record.reply.text for record in stored.turns] == [found.reply.text]
        assert await store.claim("CA1", "carl") is None

    async def test_a_released_turn_is_not_an_attempt(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        for holder in ("anna", "bert", "carl"):
            claim = await claimed(store, holder=holder)
            assert claim.attempt == 1
            await store.release(claim)
        assert (await claimed(store)).attempt == 1

    async def test_each_run_whose_worker_died_counts_as_an_attempt(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        for attempt, holder in enumerate(("anna", "bert", "carl", "dora"), 1):
            claim = await claimed(store, holder=holder)
            assert claim.attempt == attempt
            await self.expire(store, claim)
        last = await claimed(store, holder="emil")
        await store.submit(a_turn("t2"))
        assert held(await commit(store, last)).attempt == 1

    async def test_a_claim_of_a_turn_that_was_begun_before_tells_of_the_words_behind_it(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await store.submit(a_turn("t2"))
        await store.submit(a_turn("t3"))
        first = await claimed(store)
        assert first.interruption is None, "nobody has begun it"
        await self.expire(store, first)
        again = await claimed(store, holder="bert")
        assert again.interruption is not None
        assert again.interruption.turn_id == "t2"
        following = held(await commit(store, again))
        assert (following.turn.turn_id, following.interruption) == ("t2", None)

    async def test_a_claim_of_a_turn_that_was_begun_before_tells_of_a_signal_that_interrupts(
        self, store: TurnStore
    ) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await store.submit(a_turn("~signal-1", kind="signal").model_copy(update={"data": {"interrupt": True}}))
        await store.submit(a_turn("~signal-2", kind="signal").model_copy(update={"interrupt": True}))
        first = await claimed(store)
        assert first.interruption is None, "nobody has begun it"
        await self.expire(store, first)
        again = await claimed(store, holder="bert")
        assert again.interruption is not None
        assert (again.interruption.turn_id, again.interruption.interrupt) == ("~signal-2", True)

    async def test_a_worker_that_takes_over_from_itself_was_merely_cut_off(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        for _ in range(4):
            claim = await claimed(store)
            assert claim.attempt == 1
            await self.expire(store, claim)

    async def test_a_worker_that_finds_its_lease_lost_has_not_died(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        lost = await claimed(store)
        for holder in ("bert", "carl", "dora", "emil"):
            await self.expire(store, lost)
            following = await claimed(store, holder=holder)
            assert following.attempt == 2
            for _ in range(2):  # the answer to the first was lost, perhaps
                await store.release(lost)
            assert await store.renew([following.lease]) == [], "the release is not of this lease"
            lost = following

    async def test_a_worker_that_lives_takes_no_other_ones_death_back(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        dead = await claimed(store)
        await self.expire(store, dead)
        alive = await claimed(store, holder="bert")
        await self.expire(store, alive)
        following = await claimed(store, holder="carl")
        assert following.attempt == 3
        for _ in range(3):
            await store.release(alive)
        await self.expire(store, following)
        assert (await claimed(store, holder="dora")).attempt == 3

    async def test_a_turn_that_is_put_off_counts_and_comes_back(self, store: TurnStore) -> None:
        await store.submit(a_turn("t1"), opening=OPENING)
        await self.expire(store, await claimed(store))
        await store.retry_later(await claimed(store, holder="bert"), 0)
        assert (await claimed(store, holder="bert")).attempt == 3
