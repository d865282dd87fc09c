"""Some of the secrets that `make canaries` plants, with few faults."""

import pytest
from canaries.plan import plantings
from canaries.redis_places import PUBSUB, STATES, TURNS
from canaries.report import EVENTS_FILE, REDIS_FILES, WITHOUT_KEYS, promised
from canaries.run import run

pytestmark = pytest.mark.processes


async def test_what_is_told_lies_where_the_page_says() -> None:
    planted = [each for each in plantings(seed=5, share=5) if not each.canary.is_sensitive]
    report = await run(planted, seed=5, fault_seconds=4, encrypts=False)
    assert report.lost == ()
    assert report.leaks(promised()) == [], report.table()
    for place in (STATES, TURNS, PUBSUB, REDIS_FILES, EVENTS_FILE):  # it is not blind
        assert "words" in report.kinds(place, WITHOUT_KEYS), report.table()
