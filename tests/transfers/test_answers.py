"""Who took a call is known at every ingress, also if Redis was down when they did."""

import contextlib

import pytest
from support.waiting import wait_until

from orchestrator.conversation.leaving import MOST_TARGETS
from orchestrator.errors import StoreUnavailable
from orchestrator.redis import keys
from orchestrator.transfers.answers import MemoryTransferAnswers
from orchestrator.transfers.redis import RedisTransferAnswers

CALL = "v2:T02{llQ}x"


class Guard:
    """What is around each access to Redis; it refuses while `is_down`."""

    is_down = False

    def __call__(self):
        return self._refusing()

    @contextlib.contextmanager
    def _refusing(self):
        if self.is_down:
            raise StoreUnavailable
        yield


@pytest.fixture
def guard():
    return Guard()


@pytest.fixture(params=["memory", "redis"])
async def answers(request, redis_client, guard):
    if request.param == "memory":
        yield MemoryTransferAnswers()
        return
    opened = RedisTransferAnswers(redis_client, guard)
    yield opened
    await opened.close()


async def test_nobody_has_taken_a_call_at_first(answers):
    assert await answers.of(CALL, "turn-1") == {}


async def test_whoever_takes_the_call_is_known_by_their_place(answers):
    await answers.note(CALL, "turn-1", 0, "CA-leg-1")
    await answers.note(CALL, "turn-1", MOST_TARGETS - 1, "CA-leg-2")
    await answers.note(CALL, "turn-1", 0, "CA-leg-1")
    assert await answers.of(CALL, "turn-1") == {0: "CA-leg-1", MOST_TARGETS - 1: "CA-leg-2"}


async def test_each_transfer_of_each_call_has_answers_of_its_own(answers):
    await answers.note(CALL, "turn-1", 0, "CA-leg-1")
    assert await answers.of(CALL, "turn-2") == {}
    assert await answers.of("CA-other", "turn-1") == {}


async def test_every_ingress_knows_it(redis_client, guard):
    one, other = RedisTransferAnswers(redis_client, guard), RedisTransferAnswers(redis_client, guard)
    await one.note(CALL, "~signal-x/y", 2, "CA-leg")
    assert await other.of(CALL, "~signal-x/y") == {2: "CA-leg"}


async def test_it_is_kept_for_as_long_as_a_conversation_may_last(redis_client, guard):
    await RedisTransferAnswers(redis_client, guard).note(CALL, "turn-1", 0, "CA-leg")
    assert 4 * 3600 < await redis_client.ttl(keys.transfer_answers(CALL)) <= 5 * 3600


async def test_an_answer_that_came_during_an_outage_is_shared_after_it(redis_client, guard):
    one, other = RedisTransferAnswers(redis_client, guard), RedisTransferAnswers(redis_client, Guard())
    guard.is_down = True
    await one.note(CALL, "turn-1", 0, "CA-leg")
    assert await one.of(CALL, "turn-1") == {0: "CA-leg"}
    assert await other.of(CALL, "turn-1") == {}
    guard.is_down = False

    async def is_shared():
        return await other.of(CALL, "turn-1")

    assert await wait_until(is_shared, "the answer is shared") == {0: "CA-leg"}
    await one.close()


async def test_while_the_store_is_down_what_is_not_known_here_is_not_guessed(redis_client, guard):
    answers = RedisTransferAnswers(redis_client, guard)
    guard.is_down = True
    with pytest.raises(StoreUnavailable):
        await answers.of(CALL, "turn-1")


async def test_a_value_of_another_type_is_a_store_that_fails(redis_client, guard):
    await redis_client.set(keys.transfer_answers(CALL), "x", ex=60)
    answers = RedisTransferAnswers(redis_client, guard)
    with pytest.raises(StoreUnavailable):
        await answers.of(CALL, "turn-1")


async def test_soon_after_an_outage_nobody_says_that_there_is_no_answer(redis_client, guard):
    up = [1.0]
    answers = RedisTransferAnswers(redis_client, guard, lambda: up[0])
    with pytest.raises(StoreUnavailable):
        await answers.of(CALL, "turn-1")
    await RedisTransferAnswers(redis_client, guard).note(CALL, "turn-1", 0, "CA-leg")
    assert await answers.of(CALL, "turn-1") == {0: "CA-leg"}
    up[0] = 60.0
    assert await answers.of(CALL, "turn-2") == {}
