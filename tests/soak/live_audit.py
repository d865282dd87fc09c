"""The audit of what `GET /live` and `GET /calls/{call_sid}/live` have shown: the calls that lived, and their turns."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from soak.shown import Json, LivePage, Story
from soak.spans import Span, quiet
from soak.verdict import Verdict

SHOWN_SECONDS = 6.0
"""So long after a call has begun or ended, all quiet, a page shows it so. It is read once a second."""
LATE_SECONDS = 5.0
"""What was committed so long before a call was no longer looked at was shown: where the message of it was lost, the
state is read again within three seconds."""


def audit_pages(
    pages: Sequence[LivePage], troubles: Mapping[str, Sequence[Span]], until: float, verdict: Verdict
) -> None:
    """Look at every page. `troubles` are those of the page's ingress, and of its way to Redis."""
    for page in pages:
        verdict.untrue += page.wrong
        verdict.cockpit["readings of /live"] += page.overviews
        verdict.cockpit["stalls of /live"] += page.stalls
        amiss = troubles[page.ingress]
        calm = [stretch for began, ended in page.open_until(until) for stretch in quiet(amiss, began, ended)]
        for call_sid, state in verdict.states.items():
            _compare_call(page, call_sid, state, calm, until, verdict)
        verdict.cockpit["calls on /live that nobody heard"] += len(page.rows.keys() - verdict.states.keys())


def _compare_call(
    page: LivePage, call_sid: str, state: Json, calm: Sequence[Span], until: float, verdict: Verdict
) -> None:
    if not state["turns"]:
        return
    began = _seconds(state["turns"][0]["committed_at"])
    ended = until if state["ended"] is None else _seconds(state["ended"]["at"])
    due = _due(calm, began, ended)
    if due is not None:
        verdict.cockpit["calls due on a page of /live"] += 1
        if page.shown.get(call_sid, until) > due:
            shown = page.shown.get(call_sid)
            verdict.untrue.append(f"{call_sid}, due at {due:.1f}, was shown at {shown} by /live of {page.ingress}")
    if state["ended"] is None:
        if call_sid not in page.rows and due is not None:
            verdict.untrue.append(f"{call_sid} lives and is not on /live of {page.ingress} at the end")
        return
    due = _due(calm, ended, until)
    if due is None or call_sid not in page.shown:
        return
    verdict.cockpit["calls due to leave a page of /live"] += 1
    if call_sid in page.rows or page.gone.get(call_sid, until) > due:
        gone = page.gone.get(call_sid)
        verdict.untrue.append(f"{call_sid} ended at {ended:.1f} and left /live of {page.ingress} at {gone}")


def _due(calm: Sequence[Span], began: float, ended: float) -> float | None:
    """Return when it had been calm for long enough, between these times; None: it never was."""
    for start, end in calm:
        first = max(start, began)
        if min(end, ended) - first >= SHOWN_SECONDS:
            return first + SHOWN_SECONDS
    return None


def audit_stories(stories: Sequence[Story], verdict: Verdict) -> None:
    """Look at every call that was looked at: it has shown the turns of its state, each once."""
    for story in stories:
        verdict.untrue += story.wrong
        state = verdict.states.get(story.call_sid)
        if state is None or not story.states:
            verdict.cockpit["calls looked at in vain"] += 1
            continue
        verdict.cockpit["calls looked at"] += 1
        verdict.cockpit["states shown of them"] += story.states
        verdict.cockpit["words shown of them"] += story.tokens
        recorded = [turn["turn_id"] for turn in state["turns"]]
        common = min(len(recorded), len(story.turns))
        missing = [
            turn["turn_id"]
            for turn in state["turns"][common:]
            if story.left_at is None or _seconds(turn["committed_at"]) < story.left_at - LATE_SECONDS
        ]
        is_stale = story.left_at is None and story.version < state["version"]
        if story.turns[:common] != recorded[:common] or missing or is_stale:
            verdict.untrue.append(
                f"{story.call_sid} was shown until {story.left_at} with {story.turns} (version {story.version}), and "
                f"has {recorded} (version {state['version']}); missing: {missing}"
            )
        if story.running and story.ended_at is not None and story.running not in {*recorded, *story.turns}:
            verdict.untrue.append(f"{story.call_sid}: {story.running} was shown as running, and is no turn of it")


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()
