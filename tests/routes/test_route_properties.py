"""What holds of whatever number is called, of whatever split, and at whatever time."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from orchestrator.routes.called_number import LONGEST, REST, pattern_of, spelled
from orchestrator.routes.choice import ANY_AGENT
from orchestrator.routes.opening_hours import DAYS, opening_hours
from orchestrator.routes.opening_hours import LONGEST as LONGEST_HOURS
from orchestrator.routes.route import Route
from orchestrator.routes.table import RouteTable
from orchestrator.routes.toml_lines import TomlLines

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
digits = st.text("0123456789", min_size=1, max_size=8)
numbers = digits.map(lambda rest: f"+4{rest}")
addresses = st.text("abc.@", max_size=6).map(lambda rest: f"sip:{rest}")
patterns = st.one_of(numbers, numbers.map(lambda n: n + REST), addresses.map(lambda a: a + REST), st.just(REST))
called = st.one_of(numbers, addresses, st.text(max_size=300))


def table_of(found: set[str]) -> RouteTable:
    return RouteTable(routes={pattern: Route(pattern, pattern) for pattern in found})


def matches(pattern: str, number: str) -> bool:
    return number.startswith(pattern[:-1]) if pattern.endswith(REST) else number == pattern


@given(st.sets(patterns, max_size=8), called)
def test_the_longest_match_answers_every_number(found: set[str], number: str) -> None:
    choice = table_of(found).choose(number, "CA1", NOW)
    matching = [pattern for pattern in found if matches(pattern, spelled(number))]
    exact = [pattern for pattern in matching if not pattern.endswith(REST)]
    expected = exact[0] if exact else max(matching, key=len, default="")
    assert getattr(choice, "agent", None) == expected
    assert matching or choice == ANY_AGENT


def test_what_is_called_is_looked_at_up_to_a_length() -> None:
    assert spelled("client:" + "x" * 100_000) == "client:" + "x" * (LONGEST - len("client:"))


@given(st.text(max_size=2 * LONGEST))
def test_what_is_called_has_one_spelling(number: str) -> None:
    once = spelled(number)
    assert len(once) <= LONGEST + len("client:")
    assert spelled(number) == once
    assert spelled(f"  {number} ".strip()) == once


written = st.builds(
    str.__add__,
    st.sampled_from(["+49", "+1 (", "0", "sip:", "SIPS:", "client:", ""]),
    st.text("0123456789 ()-./@a", max_size=20),
)


@given(written | st.text(max_size=20))
def test_a_number_that_a_file_may_have_matches_what_is_called_so(text: str) -> None:
    pattern = pattern_of(text)
    if pattern is not None and not pattern.endswith(REST):
        route = table_of({pattern}).route_of(text)
        assert (route and route.number) == pattern


@given(st.dictionaries(st.text(min_size=1, max_size=5), st.floats(0, 1e8) | st.integers(0, 100), min_size=1), st.text())
def test_a_split_draws_the_same_agent_each_time_and_never_one_without_a_part(split: dict[str, float], sid: str) -> None:
    assume(sum(split.values()) > 0)
    route = Route(REST, "", split={agent: float(part) for agent, part in split.items()})
    drawn = route.choice(sid).agent
    assert split[drawn] > 0
    assert route.choice(sid, NOW + timedelta(days=1)).agent == drawn


def test_what_rounding_leaves_over_goes_to_an_agent_with_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.routes.route.sha256", lambda _: SimpleNamespace(digest=lambda: b"\xff" * 32))
    assert Route(REST, "", split={"some": 0.1, "none": 0.0}).choice("CA1").agent == "some"


@pytest.mark.parametrize("split", [{"a": 95, "b": 5}, {"a": 1, "b": 1, "c": 1}, {"a": 0.5, "b": 99.5}])
def test_a_split_gives_each_agent_its_part(split: dict[str, float]) -> None:
    route, calls = Route(REST, "", split=split), 20_000
    drawn = [route.choice(f"CA{number:032x}").agent for number in range(calls)]
    for agent, part in split.items():
        share = part / sum(split.values())
        assert abs(drawn.count(agent) / calls - share) < 5 * (share * (1 - share) / calls) ** 0.5


def test_a_part_that_grows_takes_calls_and_gives_none_back() -> None:
    few, many = (Route(REST, "", split={"old": 100 - part, "new": part}) for part in (5, 30))
    sids = [f"CA{number}" for number in range(2000)]
    first, then = ({sid for sid in sids if route.choice(sid).agent == "new"} for route in (few, many))
    assert first < then


minutes = st.integers(0, 24 * 60 - 1)


@given(st.integers(0, 6), minutes, minutes, st.integers(0, 7 * 24 * 60 - 1))
def test_a_span_is_open_from_its_first_minute_to_its_last_also_over_midnight(
    day: int, begin: int, end: int, at: int
) -> None:
    assume(begin != end)
    hours = opening_hours(f"{DAYS[day]} {begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}")
    long = (end - begin) % (24 * 60)
    since = (at - day * 24 * 60 - begin) % (7 * 24 * 60)
    assert hours.is_open(datetime(2026, 11, 23) + timedelta(minutes=at)) == (since < long)


@given(st.text(max_size=LONGEST_HOURS + 1) | st.text("MoTuFr-,:;0123456789 ", max_size=40))
def test_hours_are_read_or_refused_with_a_sentence(text: str) -> None:
    try:
        assert opening_hours(text).spans
    except ValueError as error:
        said = str(error)
    else:
        return
    assert said.split()[0] in ("must", "has", "names")


@pytest.mark.parametrize(("utc", "is_open"), [
    ("2026-03-28T08:00", True),  # 09:00, winter
    ("2026-03-28T06:30", False),
    ("2026-03-29T06:30", True),  # 08:30, summer since this night
    ("2026-03-29T15:30", True),
    ("2026-03-29T16:00", False),  # 18:00
    ("2026-10-25T06:30", False),  # 07:30, winter since this night
    ("2026-10-25T16:30", True),  # 17:30
])  # fmt: skip
def test_hours_are_those_of_the_clock_on_the_wall_when_it_changes(utc: str, is_open: bool) -> None:
    route = Route(REST, "day", hours=opening_hours("Mo-Su 08:00-18:00"), zone=STOCKHOLM, closed="night")
    at = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert route.choice("CA1", at).agent == ("day" if is_open else "night")


@pytest.mark.parametrize(("utc", "is_open"), [
    ("2026-03-29T00:59", False),  # 01:59, then comes 03:00: this night has no 02:30
    ("2026-03-29T01:00", True),
    ("2026-10-25T00:30", True),  # 02:30, the first of two
    ("2026-10-25T01:30", True),  # 02:30 once more
    ("2026-10-25T02:30", True),  # 03:30
    ("2026-10-25T03:00", False),
])  # fmt: skip
def test_an_hour_that_is_left_out_or_comes_twice(utc: str, is_open: bool) -> None:
    route = Route(REST, "day", hours=opening_hours("Su 02:00-04:00"), zone=STOCKHOLM, closed="night")
    assert route.is_open(datetime.fromisoformat(utc).replace(tzinfo=UTC)) == is_open


@given(st.text(max_size=200) | st.text('[]a.="\n', max_size=60))
def test_the_lines_of_any_text_can_be_looked_for(text: str) -> None:
    assert 1 <= TomlLines(text).of("a", "a", 0) <= text.count("\n") + 1
