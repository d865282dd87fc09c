"""A partition leaves the old master, one Sentinel and the whole product on its smaller side."""

import time
from collections.abc import Iterator

import httpx
import pytest
from support.sentinels import SentinelTopology
from support.waiting import wait_until
from topologies.failover import Callers, Outcome, Service
from topologies.faults import Split

pytestmark = pytest.mark.processes


@pytest.fixture
def split() -> Iterator[Split]:
    with SentinelTopology(password="pass") as topology:
        yield Split(topology)


async def test_on_the_smaller_side_nobody_is_answered_until_it_is_joined_to_the_other_again(split) -> None:
    split.allow_callers()
    outcome = Outcome()
    async with Service(f"redis-sentinel://caller:pass@127.0.0.1:{split.near.port}/mymaster") as service:
        people = Callers(service, 10)

        async def is_away() -> bool:
            async with httpx.AsyncClient(timeout=60) as client:
                return {(await client.get(f"{url}/readyz")).status_code for url in service.urls} == {503}

        def are_refused() -> bool:
            return all(exchanges[-1].refusals and not exchanges[-1].answered for exchanges in people.calls.values())

        async with people.talking():
            await people.all_answered()
            split.begin()
            await wait_until(split.another_is_named, "the other side names a master of its own", 60)
            await wait_until(is_away, "this side says that it is not ready", 60)
            await wait_until(are_refused, "nobody is answered", 60)
            left_at = time.monotonic()
            refused = {call_sid: exchanges[-1].refusals for call_sid, exchanges in people.calls.items()}
            await wait_until(
                lambda: all(people.calls[call_sid][-1].refusals > before + 3 for call_sid, before in refused.items()),
                "all of them are refused again and again", 60,
            )  # fmt: skip
            assert are_refused()
            split.heal()
            await people.all_answered()
        await people.audit(outcome)
        assert service.exits() == []
        assert service.has_said("do not reach a quorum")
    answered = {f"{sid}/{turn.turn_id}": turn.answered for sid, turns in people.calls.items() for turn in turns}
    assert [turn for turn in outcome.lost if answered[turn] >= left_at] == []
    assert (outcome.changed, outcome.disordered, outcome.unanswered) == ([], [], 0)
