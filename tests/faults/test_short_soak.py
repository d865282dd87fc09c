"""All faults at random, with a fixed seed; `make soak` does the same for as long as one likes."""

import pytest
from soak.run import soak

pytestmark = pytest.mark.processes


async def test_random_faults_under_load_lose_double_and_reorder_nothing():
    callers = 15
    # Of a relay's sockets that come back, and of its calls' own turns, less is promised while ingresses are killed
    # (docs/relay.md). `make soak ARGS=--living` has both.
    report = await soak(
        seed=3, seconds=40, callers=callers, every=1.2, with_sinks=True, with_routes=True, with_living=True,
        plain_relays=True, is_watched=True,
    )  # fmt: skip
    assert report.is_clean, report.table()
    assert sum(report.faults.values()) >= 15
    assert report.calls >= callers
    assert report.heard["reply"] >= callers
    assert report.relay["calls"] >= 4
    assert report.sinks["webhook: events"] == report.sinks["file: events"] > report.calls
    assert report.desks["hand-offs"] >= callers
    assert report.versions["runs on the version of their call"] >= report.calls
    for kind in ("signal", "timer", "activity", "transferred", "recorded"):
        assert report.living[f"own turns: {kind}"] >= 3
    assert report.living["messages posted"] >= 3
    assert report.cockpit["killed processes named as lost"] >= 1
    assert report.cockpit["calls due to leave a page of /live"] >= callers
    assert report.cockpit["calls looked at"] >= 3
