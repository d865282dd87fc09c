"""The audit of the cockpit finds what it is there to find: calls and turns that were shown otherwise than they were."""

import pytest
from soak.live_audit import audit_pages, audit_stories
from soak.shown import LivePage, Story
from soak.spans import Span
from soak.verdict import Verdict
from support.shown_day import BEGAN, DAY, SID, URL, Json, at


def state(ended: float | None, *turns: str, version: int = 9) -> Json:
    records = [{"turn_id": turn_id, "committed_at": at(number)} for number, turn_id in enumerate(turns)]
    return {
        "call_sid": SID,
        "version": version,
        "turns": records,
        "ended": None if ended is None else {"at": at(ended)},
    }


def page(shown: float | None, gone: float | None) -> LivePage:
    found = LivePage(URL)
    found.take("calls", {"reset": True, "changed": [], "gone": []}, BEGAN - 9)
    if shown is not None:
        found.take("calls", {"reset": False, "changed": [{"call_sid": SID}], "gone": []}, BEGAN + shown)
    if gone is not None:
        found.take("calls", {"reset": False, "changed": [], "gone": [SID]}, BEGAN + gone)
    return found


def of_page(shown: float | None, gone: float | None, ended: float | None = 50, *troubles: Span) -> Verdict:
    verdict = Verdict(states={SID: state(ended, "start", "turn-1")})
    audit_pages([page(shown, gone)], {URL: list(troubles)}, BEGAN + 100, verdict)
    return verdict


def test_a_call_that_is_shown_while_it_lives_is_no_finding():
    assert of_page(1, 51).untrue == []
    assert of_page(1, None, None).untrue == []
    assert of_page(None, None, 50, DAY).untrue == []


@pytest.mark.parametrize(
    "verdict",
    [of_page(None, None), of_page(40, 51), of_page(1, 80), of_page(1, None), of_page(1, 30, None)],
    ids=["never shown", "shown late", "gone late", "never gone", "gone and alive"],
)
def test_a_call_that_is_shown_otherwise_is_a_finding(verdict: Verdict):
    assert verdict.untrue


def test_a_stream_begins_with_all_calls():
    found = LivePage(URL)
    found.take("calls", {"reset": True, "changed": [{"call_sid": "CA9"}], "gone": []}, BEGAN)
    found.close(BEGAN + 1)
    found.take("calls", {"reset": False, "changed": [], "gone": []}, BEGAN + 2)
    assert len(found.wrong) == 1
    found.close(BEGAN + 3)
    found.take("calls", {"reset": True, "changed": [{"call_sid": SID}], "gone": []}, BEGAN + 4)
    assert (len(found.wrong), found.rows, found.gone) == (1, {SID: {"call_sid": SID}}, {"CA9": BEGAN + 4})


def test_while_nothing_comes_a_page_is_not_open():
    found = LivePage(URL)
    found.take("overview", {}, BEGAN)
    found.take("calls", {"reset": True, "changed": [], "gone": []}, BEGAN)
    for seconds in (5, 10, 30, 35):
        found.take("overview", {}, BEGAN + seconds)
    assert found.open_until(BEGAN + 40) == [(BEGAN, BEGAN + 10), (BEGAN + 30, BEGAN + 40)]


def of_story(*shown: tuple[str, Json], left: float | None = 30.0, version: int = 9) -> Verdict:
    story = Story(SID)
    for name, data in shown:
        story.take(name, data, BEGAN + 20)
    story.left_at = None if left is None else BEGAN + left
    verdict = Verdict(states={SID: state(20, "start", "turn-1", "turn-2", version=version)})
    audit_stories([story], verdict)
    return verdict


WHOLE = ("state", state(20, "start", "turn-1", "turn-2"))
RUNNING = ("running", {"turn_id": "turn-2", "said": "You "})


def test_a_story_that_ends_with_the_turns_of_its_state_is_no_finding():
    said = ("said", {"turn_id": "turn-2", "start": 4, "text": "said"})
    assert of_story(("state", state(None, "start")), RUNNING, said, WHOLE).untrue == []
    assert of_story(("state", state(20, "start", "turn-1")), left=2.5).untrue == []


@pytest.mark.parametrize(
    "verdict",
    [
        of_story(("state", state(20, "start", "turn-1"))),
        of_story(("state", state(20, "start", "turn-2"))),
        of_story(("state", state(20, "start", "turn-1", "turn-1")), WHOLE),
        of_story(("said", {"turn_id": "turn-2", "start": 0, "text": "said"}), WHOLE),
        of_story(RUNNING, ("said", {"turn_id": "turn-2", "start": 9, "text": "said"}), WHOLE),
        of_story(("running", {"turn_id": "turn-9", "said": ""}), WHOLE),
        of_story(WHOLE, left=None, version=10),
    ],
    ids=["one missing", "one left out", "one twice", "words of another", "a gap in the words", "one that never was",
         "an old state"],
)  # fmt: skip
def test_a_story_that_ends_otherwise_is_a_finding(verdict: Verdict):
    assert verdict.untrue
