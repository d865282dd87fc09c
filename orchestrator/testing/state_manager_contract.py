"""The contract of state managers as a test suite; what passes it may take the place of any other.

In a test module of yours (pytest with the anyio plugin, `anyio_mode = "auto"`, or any other plugin that runs `async`
tests):

    from orchestrator.testing.state_manager_contract import StateManagerContract

    class TestPostgresStateManager(StateManagerContract):
        @pytest.fixture
        async def manager(self):
            manager = PostgresStateManager(…)      # empty, with any time to live of at least ten seconds
            yield manager
            await manager.close()

        async def expire(self, manager, call_sid):
            …                                      # make the time of this one call run out, now

For failures that show the values, say `pytest.register_assert_rewrite(` this module's name `)` in your conftest.
`expire` is the only hook: move your clock, or backdate the row. Every call of a test whose time is to run out
is passed to it. Without the hook, the tests of expiry are skipped.
"""

import asyncio
from typing import Any

import pytest

from orchestrator.conversation.actions import HangUp
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, EndRecord, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.errors import BadCallSid, StateConflict
from orchestrator.state.base import StateManagerBase

BAD_CALL_SIDS = ("", "a{b", "a}b", "line\nbreak", "x" * 257, "\ud800")
ODD_CALL_SIDS = ("v2:T02:abc", "with space", "käse-☎", "x" * 256)


def a_record(turn_id: str, **extra: Any) -> TurnRecord:
    """Return the record of an answered turn."""
    turn = Turn(turn_id=turn_id, call_sid="any", kind="speech", text="I said")
    record = TurnRecord.of(turn, "replied", Reply(text="You said", actions=[HangUp(reason="done")]))
    return record.model_copy(update=extra)


class StateManagerContract:
    """Subclass it with a name that begins with `Test`, and override `manager` and `expire`."""

    @pytest.fixture
    def manager(self) -> StateManagerBase:
        """Return an empty manager."""
        raise NotImplementedError("override the fixture `manager` with one that gives your state manager")

    async def expire(self, manager: StateManagerBase, call_sid: str) -> None:
        """Make the time to live of this call run out."""
        pytest.skip("override `expire` to test how calls expire")

    async def test_a_new_call_has_version_1_and_the_fields_it_was_given(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1", channel="relay", from_number="+15550100", slots={"a": [1]})
        assert (state.version, state.call_sid, state.channel) == (1, "CA1", "relay")
        assert await manager.get_state("CA1") == state

    async def test_creating_a_live_call_again_returns_the_first(self, manager: StateManagerBase) -> None:
        first = await manager.create_state("CA1", phase="greeting")
        assert await manager.create_state("CA1", phase="other") == first
        assert await manager.get_state("CA1") == first

    async def test_creating_at_once_gives_everybody_the_same_call(self, manager: StateManagerBase) -> None:
        states = await asyncio.gather(*(manager.create_state("CA1", phase=str(n)) for n in range(10)))
        assert all(state == states[0] for state in states)

    async def test_an_unknown_call_has_no_state(self, manager: StateManagerBase) -> None:
        assert await manager.get_state("CA1") is None
        assert await manager.get_confirmed_state("CA1") is None

    async def test_a_confirmed_state_is_the_state(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        assert await manager.get_confirmed_state("CA1") == state
        written = await manager.update_state(state.model_copy(update={"phase": "next"}))
        assert await manager.get_confirmed_state("CA1") == written

    async def test_an_update_gives_the_next_version(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        state.phase = "booking"
        state.slots["name"] = "Ada"
        state.turns.append(a_record("t1"))
        written = await manager.update_state(state)
        assert (state.version, written.version) == (1, 2)
        assert written.updated_at >= state.updated_at
        assert await manager.get_state("CA1") == written
        assert written.turns[0].reply.actions == [HangUp(reason="done")]

    async def test_a_stale_version_is_refused_and_changes_nothing(self, manager: StateManagerBase) -> None:
        stale = await manager.create_state("CA1")
        written = await manager.update_state(stale.model_copy(update={"phase": "first"}))
        with pytest.raises(StateConflict):
            await manager.update_state(stale.model_copy(update={"phase": "second"}))
        assert await manager.get_state("CA1") == written

    async def test_a_version_from_the_future_is_refused(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        with pytest.raises(StateConflict):
            await manager.update_state(state.model_copy(update={"version": 7}))

    async def test_of_updates_at_once_one_wins(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        attempts = (manager.update_state(state.model_copy(update={"phase": str(n)})) for n in range(10))
        outcomes = await asyncio.gather(*attempts, return_exceptions=True)
        won = [outcome for outcome in outcomes if isinstance(outcome, ConversationState)]
        assert len(won) == 1
        assert sum(isinstance(outcome, StateConflict) for outcome in outcomes) == 9
        assert await manager.get_state("CA1") == won[0]

    async def test_a_call_that_is_gone_is_not_brought_back_by_an_update(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        await manager.delete_state("CA1")
        with pytest.raises(StateConflict):
            await manager.update_state(state)
        assert await manager.get_state("CA1") is None

    async def test_what_a_caller_changes_afterwards_changes_nothing_stored(self, manager: StateManagerBase) -> None:
        slots: dict[str, Any] = {"list": []}
        created = await manager.create_state("CA1", slots=slots)
        slots["list"].append("mine")
        created.slots["list"].append("mine")
        got = await manager.get_state("CA1")
        assert got is not None
        assert got.slots == {"list": []}
        got.turns.append(a_record("t1"))
        written = await manager.update_state(got)
        written.turns[0].reply.text = "mine"
        got.slots["list"].append("mine")
        again = await manager.get_state("CA1")
        assert again is not None
        assert (again.turns[0].reply.text, again.slots) == ("You said", {"list": []})

    async def test_fields_of_a_newer_version_survive(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1", mood="merry")
        state.turns.append(a_record("t1", tone={"warm": True}))
        await manager.update_state(state)
        got = await manager.get_state("CA1")
        assert got is not None
        await manager.update_state(got)
        got = await manager.get_state("CA1")
        assert got is not None
        extra, turn_extra = got.model_extra, got.turns[0].model_extra
        assert (extra, turn_extra) == ({"mood": "merry"}, {"tone": {"warm": True}})

    async def test_keeping_calls_alive_changes_nothing_in_them(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1", slots={"a": 1})
        await manager.keep_alive(["CA1", "CA-unknown"], 3600)
        assert await manager.get_state("CA1") == state
        assert await manager.get_state("CA-unknown") is None
        assert await manager.get_all_call_sids() == ["CA1"]
        assert (await manager.update_state(state)).version == 2
        await manager.keep_alive([], 3600)

    async def test_keeping_an_ended_call_alive_does_not_make_it_active(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        await manager.update_state(state.model_copy(update={"ended": EndRecord(status="completed")}))
        await manager.keep_alive(["CA1"], 3600)
        assert await manager.get_active_calls_count() == 0

    async def test_a_deleted_call_is_forgotten(self, manager: StateManagerBase) -> None:
        await manager.create_state("CA1")
        assert await manager.delete_state("CA1") is True
        assert await manager.get_state("CA1") is None
        assert await manager.get_active_calls_count() == 0
        assert await manager.delete_state("CA1") is False

    async def test_a_deleted_call_can_begin_again(self, manager: StateManagerBase) -> None:
        await manager.update_state(await manager.create_state("CA1"))
        await manager.delete_state("CA1")
        assert (await manager.create_state("CA1")).version == 1

    async def test_active_calls_are_counted_and_listed(self, manager: StateManagerBase) -> None:
        for call_sid in ODD_CALL_SIDS:
            await manager.create_state(call_sid)
        assert await manager.get_active_calls_count() == len(ODD_CALL_SIDS)
        assert sorted(await manager.get_all_call_sids()) == sorted(ODD_CALL_SIDS)

    async def test_an_ended_call_is_kept_but_no_longer_active(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        state.ended = EndRecord(status="completed")
        ended = await manager.update_state(state)
        assert await manager.get_active_calls_count() == 0
        assert await manager.get_all_call_sids() == []
        assert await manager.get_state("CA1") == ended

    async def test_an_expired_call_is_gone(self, manager: StateManagerBase) -> None:
        state = await manager.create_state("CA1")
        await self.expire(manager, "CA1")
        assert await manager.get_state("CA1") is None
        assert await manager.get_active_calls_count() == 0
        assert await manager.get_all_call_sids() == []
        assert await manager.delete_state("CA1") is False
        with pytest.raises(StateConflict):
            await manager.update_state(state)

    async def test_an_expired_call_can_begin_again(self, manager: StateManagerBase) -> None:
        await manager.create_state("CA1", phase="old")
        await self.expire(manager, "CA1")
        assert (await manager.create_state("CA1", phase="new")).phase == "new"
        assert await manager.get_all_call_sids() == ["CA1"]

    async def test_cleanup_counts_the_expired_calls_and_leaves_the_others(self, manager: StateManagerBase) -> None:
        await manager.create_state("CA1")
        await manager.create_state("CA2")
        await self.expire(manager, "CA1")
        await self.expire(manager, "CA2")
        await manager.create_state("CA3")
        assert await manager.cleanup_expired() == 2
        assert await manager.cleanup_expired() == 0
        assert await manager.get_all_call_sids() == ["CA3"]

    @pytest.mark.parametrize("call_sid", BAD_CALL_SIDS, ids=ascii)
    async def test_a_bad_call_sid_is_refused_by_every_method(self, manager: StateManagerBase, call_sid: str) -> None:
        for attempt in (
            manager.create_state(call_sid),
            manager.get_state(call_sid),
            manager.update_state(ConversationState(call_sid=call_sid, version=1)),
            manager.delete_state(call_sid),
        ):
            with pytest.raises(BadCallSid):
                await attempt

    @pytest.mark.parametrize("call_sid", ODD_CALL_SIDS, ids=lambda sid: ascii(sid[:12]))
    async def test_an_odd_call_sid_is_as_good_as_any(self, manager: StateManagerBase, call_sid: str) -> None:
        state = await manager.create_state(call_sid)
        assert (await manager.update_state(state)).call_sid == call_sid

    async def test_it_is_healthy(self, manager: StateManagerBase) -> None:
        assert await manager.health_check() is True

    async def test_closing_twice_is_fine(self, manager: StateManagerBase) -> None:
        await manager.close()
        await manager.close()
