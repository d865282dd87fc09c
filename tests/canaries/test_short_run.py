"""Some of the secrets that `make canaries` plants, with few faults."""

import pytest
from canaries.plan import plantings
from canaries.redis_places import PUBSUB, STATES, TURNS
from canaries.report import EVENTS_FILE, REDIS_FILES, WITH_KEYS, WITHOUT_KEYS, promised
from canaries.run import run

pytestmark = pytest.mark.processes

SHARE = 8


@pytest.mark.parametrize("encrypts", [False, True], ids=["without keys", "with keys"])
async def test_what_is_told_lies_where_the_page_says(encrypts: bool) -> None:
    report = await run(plantings(seed=5, share=SHARE), seed=5, fault_seconds=6, encrypts=encrypts)
    assert report.lost == ()
    assert (report.leaks(promised()), report.examples(promised())) == ([], []), report.table()
    column = WITH_KEYS if encrypts else WITHOUT_KEYS
    for place in (EVENTS_FILE,) if encrypts else (STATES, TURNS, PUBSUB, REDIS_FILES, EVENTS_FILE):  # it is not blind
        assert "words" in report.kinds(place, column), report.table()
