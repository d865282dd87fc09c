"""Random interleavings of everything that can happen to a call's turns, against a model, on a real Redis."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from redis.asyncio import Redis
from support.servers import RedisServer

from orchestrator.conversation.reply import Position, TurnResult
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.errors import CallEnded
from orchestrator.redis import keys
from orchestrator.state.redis import RedisStateManager
from orchestrator.testing.turn_store_contract import a_turn, answered
from orchestrator.turns.messages import Piece
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Claim

CALL = "CA1"
HOLDERS = ("anna", "bert", "carl")
KEYS = keys.call(CALL)


@dataclass
class Model:
    """What must be true of the call, by the simplest means."""

    waiting: list[str] = field(default_factory=list)
    done: dict[str, str] = field(default_factory=dict)  # turn id → what was answered
    written: list[str] = field(default_factory=list)  # as in the state
    holder: Claim | None = None
    expired: bool = False
    epoch: int = 0
    attempts: int = 0  # runs that the turn at the head has begun
    ended: bool = False

    @property
    def is_free(self) -> bool:
        return self.holder is None or self.expired

    def settle(self, turn_id: str, text: str) -> None:
        self.waiting.remove(turn_id)
        self.done[turn_id] = text
        self.attempts = 0


class TurnsOfACall(RuleBasedStateMachine):
    """`claims` are all that were ever granted and not given up: a worker may come back with an old one at any time."""

    url: str
    runner: asyncio.Runner
    shards = (keys.SINGLE_SHARD,)

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.claims: list[Claim] = []
        self.numbers = 0
        self.last: tuple[Claim, ConversationState, TurnRecord] | None = None
        self.redis: Redis = Redis.from_url(self.url, socket_timeout=30)
        self.store = RedisTurnStore(
            self.redis, ttl_seconds=100, lease_seconds=3600, listener="here", shards=self.shards
        )
        self.shard = keys.shard_of(self.shards, CALL)
        self.states = RedisStateManager(self.redis, 100)
        self.run(self.redis.flushall)

    def run(self, operation: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        async def running() -> Any:
            return await operation(*args, **options)

        return self.runner.run(running())

    def teardown(self) -> None:
        self.run(self.redis.aclose)

    # What ingresses do

    @rule()
    def submit(self) -> None:
        self.numbers += 1
        turn_id = f"t{self.numbers}"
        try:
            assert self.run(self.store.submit, a_turn(turn_id), opening={}) is None
        except CallEnded:
            assert self.model.ended
        else:
            assert not self.model.ended
            self.model.waiting.append(turn_id)

    @precondition(lambda self: self.numbers)
    @rule(data=st.data())
    def submit_again(self, data: st.DataObject) -> None:
        turn_id = f"t{data.draw(st.integers(1, self.numbers))}"
        if turn_id not in self.model.waiting and turn_id not in self.model.done:
            return
        result = self.run(self.store.submit, a_turn(turn_id, text="a retry"), opening={})
        assert (result and result.reply.text) == self.model.done.get(turn_id)

    @precondition(lambda self: self.model.waiting)
    @rule(data=st.data())
    def reject(self, data: st.DataObject) -> None:
        turn_id = data.draw(st.sampled_from(self.model.waiting))
        running = self.model.holder is not None and self.model.holder.turn.turn_id == turn_id
        rejected = self.run(self.store.reject, CALL, turn_id)
        assert rejected is not running
        if rejected:
            head = self.model.waiting[0] == turn_id
            attempts = 0 if head else self.model.attempts
            self.model.settle(turn_id, "")
            self.model.attempts = attempts

    # What workers do

    @rule(holder=st.sampled_from(HOLDERS))
    def claim(self, holder: str) -> None:
        model = self.model
        again = model.holder is not None and model.holder.lease.holder == holder
        claim = self.run(self.store.claim, CALL, holder)
        if not model.waiting or not model.is_free:
            assert claim is None
            return
        assert claim is not None
        model.epoch += 1
        model.attempts = max(1, model.attempts + (not again))  # who takes over from itself has not died
        self._hold(claim)
        assert (claim.lease.epoch, claim.lease.holder, claim.attempt) == (model.epoch, holder, model.attempts)

    def _hold(self, claim: Claim) -> None:
        model = self.model
        model.holder, model.expired = claim, False
        self.claims.append(claim)
        assert claim.turn.turn_id == model.waiting[0]
        assert claim.state is not None
        assert [record.turn_id for record in claim.state.turns] == model.written

    @precondition(lambda self: self.model.holder is not None)
    @rule()
    def expire(self) -> None:
        """The holder was killed, frozen or cut off for the length of its lease."""
        self.run(self.redis.hset, KEYS.lease, "until", 1)
        self.run(self.redis.zadd, self.shard.due, {CALL: 1}, xx=True)
        self.model.expired = True

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        lost = self.run(self.store.renew, [claim.lease])
        assert (lost == []) is self._is_held(claim)
        if not lost:
            self.model.expired = False

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def say(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        assert self.run(
            self.store.publish, claim.lease, claim.turn.turn_id, Piece(Position(), "text")
        ) is self._is_held(claim)

    @precondition(lambda self: self.claims)
    @rule(data=st.data(), keep=st.booleans(), hang_up=st.sampled_from([False, False, False, True]))
    def commit(self, data: st.DataObject, keep: bool, hang_up: bool) -> None:
        """By the one who holds the lease, or by one who thinks so."""
        model = self.model
        claim = data.draw(st.sampled_from(self.claims))
        assert claim.state is not None
        if claim.state.ended is not None:
            hang_up = False
        text = f"{claim.turn.turn_id} by epoch {claim.lease.epoch}"
        state, record = answered(claim, text, hang_up=hang_up)
        ours = self._is_held(claim)
        current = ours and model.holder is not None and model.holder.turn.turn_id == claim.turn.turn_id
        commit = self.run(self.store.commit, claim, state, record, keep=keep)
        if current:
            assert commit.status == "committed"
            model.settle(claim.turn.turn_id, text)
            model.written.append(claim.turn.turn_id)
            model.ended = model.ended or hang_up
            self.last = (claim, state, record)
        else:
            assert commit.status == ("recorded" if claim.turn.turn_id in model.done else "lost")
        self.claims.remove(claim)
        if current or ours:
            self._went_on(commit.next, keep)
        else:
            assert commit.next is None

    @precondition(lambda self: self.last is not None)
    @rule(keep=st.booleans())
    def commit_again(self, keep: bool) -> None:
        """The answer to the last commit was lost."""
        assert self.last is not None
        claim, state, record = self.last
        ours = self._is_held(claim)
        commit = self.run(self.store.commit, claim, state, record, keep=keep)
        assert commit.status == "recorded"
        if ours:
            self._went_on(commit.next, keep)
        else:
            assert commit.next is None

    def _went_on(self, following: Claim | None, keep: bool) -> None:
        model = self.model
        assert (following is not None) is bool(model.waiting and keep)
        if following is not None:
            model.attempts = 1
            self._hold(following)
            assert following.attempt == 1
        else:
            model.holder, model.expired = None, False

    @precondition(lambda self: self.claims)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        claim = data.draw(st.sampled_from(self.claims))
        ours = self._is_held(claim)
        self.run(self.store.release, claim)
        self.claims.remove(claim)
        if self.model.waiting[:1] == [claim.turn.turn_id]:
            self._forgive(claim)
        if ours:
            self.model.holder, self.model.expired = None, False

    def _forgive(self, claim: Claim) -> None:
        """Its worker lives, so its loss was no crash, unless that was not counted in the first place."""
        model = self.model
        if model.holder is None or model.holder.lease == claim.lease:
            model.attempts = max(0, model.attempts - 1)
        elif model.holder.lease.holder != claim.lease.holder:
            model.attempts = max(1, model.attempts - 1)

    def _is_held(self, claim: Claim) -> bool:
        return self.model.holder is not None and self.model.holder.lease == claim.lease

    # What gets lost

    @rule()
    def lose_the_wake_up(self) -> None:
        self.run(self.redis.delete, self.shard.queue, self.shard.wake, self.shard.job(f"turns:{CALL}"))

    @rule()
    def rescue(self) -> None:
        rescued = self.run(self.store.call_queue.rescue, again_ms=0)
        assert not (rescued and self.model.holder is not None and not self.model.expired)

    # What must be true at any time

    @invariant()
    def each_turn_has_one_result_and_the_state_holds_them_in_order(self) -> None:
        state = self.run(self.states.get_state, CALL)
        if state is None:
            assert self.numbers == 0
            return
        assert [record.turn_id for record in state.turns] == self.model.written
        assert [record.reply.text for record in state.turns] == [self.model.done[t] for t in self.model.written]
        assert self.model.written == sorted(self.model.written, key=lambda turn_id: int(turn_id[1:]))
        assert state.version == 1 + len(self.model.written)

    @invariant()
    def the_inbox_holds_what_waits(self) -> None:
        inbox = [turn_id.decode() for turn_id in self.run(self.redis.lrange, KEYS.inbox, 0, -1)]
        assert inbox == self.model.waiting
        for turn_id, text in self.model.done.items():
            found = self.run(self.store.find, CALL, turn_id)
            assert isinstance(found, TurnResult)
            assert found.reply.text == text

    @invariant()
    def who_waits_is_looked_after(self) -> None:
        if self.model.waiting:
            assert self.run(self.redis.zscore, self.shard.due, CALL) is not None


class TurnsOfACallInACluster(TurnsOfACall):
    """The shard in another slot than the call."""

    shards = keys.SHARDS


@pytest.mark.slow
@pytest.mark.parametrize("machine", [TurnsOfACall, TurnsOfACallInACluster])
def test_whatever_happens_in_whatever_order_each_turn_is_answered_once(
    redis_server: RedisServer, machine: type[TurnsOfACall]
) -> None:
    with asyncio.Runner() as runner:
        machine.url, machine.runner = redis_server.url, runner
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=40,
                stateful_step_count=40,
                suppress_health_check=list(HealthCheck),
            ),
        )
