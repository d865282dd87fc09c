"""How a commit is prepared where the state is in another store; the rest is in the contract of turn stores."""

from contextlib import nullcontext

import pytest
from redis.asyncio import Redis

from orchestrator.conversation.reply import Reply
from orchestrator.conversation.state import ConversationState, TurnRecord
from orchestrator.conversation.turn import Turn
from orchestrator.redis import keys
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.turns.redis.scripts import ELSEWHERE, GONE
from orchestrator.turns.redis.state_writer import MISSING_VERSION, Conflict, ElsewhereStates, Prepared, SameRedisStates
from orchestrator.turns.redis.store import RedisTurnStore
from orchestrator.turns.store import Claim, Lease

TURN = Turn(turn_id="t1", call_sid="CA1", kind="speech", text="hello")
RECORD = TurnRecord(
    turn_id="t1", received_at=TURN.received_at, kind="speech", text="hello", reply=Reply(text="hi"), outcome="replied"
)


def claim_of(state: ConversationState | None, *, unreadable: bool = False) -> Claim:
    return Claim(Lease("CA1", "anna", 1), TURN, state, unreadable=unreadable)


def answered(state: ConversationState, text: str = "hi") -> ConversationState:
    record = RECORD.model_copy(update={"reply": Reply(text=text)})
    return state.model_copy(update={"turns": [*state.turns, record]})


@pytest.fixture
def connection(redis_client: Redis) -> StoreConnection:
    return StoreConnection(redis_client, nullcontext)


async def test_the_script_writes_a_state_of_the_same_redis(connection: StoreConnection) -> None:
    state = ConversationState(call_sid="CA1", version=3)
    prepared = await SameRedisStates(connection).prepare(claim_of(state), answered(state), RECORD)
    assert (prepared.expected, prepared.record) == (3, RECORD)
    assert prepared.state is not None
    assert prepared.state.version == 4
    assert ConversationState.model_validate_json(prepared.json) == prepared.state
    assert not prepared.is_over


async def test_a_claim_without_a_state_commits_over_none(connection: StoreConnection) -> None:
    states = SameRedisStates(connection)
    assert (await states.prepare(claim_of(None), None, RECORD)).expected == MISSING_VERSION
    assert (await states.prepare(claim_of(None, unreadable=True), None, RECORD)).expected == GONE


async def test_a_state_elsewhere_is_written_before_the_script(connection: StoreConnection) -> None:
    manager = InMemoryStateManager()
    state = await manager.create_state("CA1")
    prepared = await ElsewhereStates(manager, connection).prepare(claim_of(state), answered(state), RECORD)
    assert isinstance(prepared, Prepared)
    assert (prepared.expected, prepared.json) == (ELSEWHERE, b"")
    assert await manager.get_state("CA1") == prepared.state


async def test_a_commit_that_is_repeated_elsewhere_keeps_the_first_record(connection: StoreConnection) -> None:
    manager = InMemoryStateManager()
    state = await manager.create_state("CA1")
    await manager.update_state(answered(state, "first"))
    prepared = await ElsewhereStates(manager, connection).prepare(claim_of(state), answered(state, "second"), RECORD)
    assert isinstance(prepared, Prepared)
    assert prepared.record.reply.text == "first"


async def test_a_state_that_somebody_else_changed_is_a_conflict(connection: StoreConnection) -> None:
    manager = InMemoryStateManager()
    state = await manager.create_state("CA1")
    changed = await manager.update_state(state)
    assert await ElsewhereStates(manager, connection).prepare(claim_of(state), answered(state), RECORD) == Conflict(
        changed
    )


async def test_a_state_that_was_deleted_elsewhere_is_gone(connection: StoreConnection) -> None:
    manager = InMemoryStateManager()
    state = await manager.create_state("CA1")
    await manager.delete_state("CA1")
    prepared = await ElsewhereStates(manager, connection).prepare(claim_of(state), answered(state), RECORD)
    assert isinstance(prepared, Prepared)
    assert (prepared.expected, prepared.state) == (GONE, None)


class CountedStates(InMemoryStateManager):
    """A manager that is false while it has no states."""

    def __init__(self) -> None:
        super().__init__()
        self.sids: set[str] = set()

    def __len__(self) -> int:
        return len(self.sids)


async def test_an_empty_manager_that_has_a_length_keeps_the_states(redis_client: Redis) -> None:
    manager = CountedStates()
    store = RedisTurnStore(redis_client, ttl_seconds=60, states=manager)
    await store.submit(TURN, opening={"channel": "relay"})
    assert await manager.get_state("CA1") is not None
    assert not await redis_client.exists(keys.state("CA1"))


async def test_renewing_after_a_restart_of_redis_takes_two_round_trips(redis_client: Redis) -> None:
    store = RedisTurnStore(redis_client, ttl_seconds=60)
    leases = [Lease(f"CA{number}", "anna", 1) for number in range(50)]
    await redis_client.script_flush()
    await redis_client.config_resetstat()
    assert await store.renew(leases) == leases
    stats = await redis_client.info("commandstats")
    assert stats["cmdstat_evalsha"]["calls"] == 50
