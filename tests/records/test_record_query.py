"""Filters and cursors as strangers write them."""

from base64 import urlsafe_b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import BadRecordQuery
from orchestrator.records.record_query import Place, record_query

AT = datetime(2026, 11, 26, 17, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-26T17:30:00Z", "2026-11-26T17:30", "2026-11-26T18:30:00+01:00", "2026-11-26T18:30:00 01:00",
        " 20261126T1730",
    ],
)  # fmt: skip
def test_a_time_is_read_in_any_of_its_forms(text: str) -> None:
    query = record_query({"from": text, "to": "2026-11-27"})
    assert (query.since, query.until) == (AT, datetime(2026, 11, 27, tzinfo=UTC))


def test_the_plus_of_a_number_may_have_become_a_blank() -> None:
    assert [record_query({"number": each}).number for each in (" 15558675310", "+15558675310", "sip:a@b")] == [
        "+15558675310", "+15558675310", "sip:a@b",
    ]  # fmt: skip


def test_what_is_empty_is_not_set() -> None:
    assert record_query({"from": "", "text": " ", "agent": "", "cursor": "", "limit": ""}) == record_query({})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("from", "yesterday"), ("to", "2026-13-01"), ("from", "0001-01-01T00:00+23:59"), ("limit", "0"),
        ("limit", "1001"), ("limit", "٣"), ("limit", "-1"), ("number", "\x00"), ("agent", "a\ud800"),
        ("tenant", "x" * 257), ("text", "%_"), ("text", "a\nb"), ("form", "2026"), ("call_sid", "a\tb"),
    ],
)  # fmt: skip
def test_a_wrong_filter_is_told_by_its_name(name: str, value: str) -> None:
    with pytest.raises(BadRecordQuery, match=name):
        record_query({name: value})


SIDS = st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="{}"), min_size=1, max_size=60)


@given(st.datetimes(timezones=st.just(UTC)), SIDS)
def test_a_cursor_leads_to_the_place_it_was_made_of(at: datetime, call_sid: str) -> None:
    place = Place(at, call_sid)
    assert record_query({"cursor": place.cursor()}).after == place


def encoded(text: str) -> str:
    return urlsafe_b64encode(text.encode()).decode().rstrip("=")


GOOD = Place(AT, "CA1").cursor()


@pytest.mark.parametrize(
    "cursor",
    [
        "x", "é", "\x00", GOOD[:-1], GOOD + "=", GOOD + "AA", GOOD.upper(), "A" * 2000, encoded("[]"), encoded("{}"),
        encoded("[1, 2]"), encoded('["2026-11-26T17:30:00+00:00"]'), encoded('["2026-11-26", "CA1"]'),
        encoded('["2026-11-26T17:30:00+00:00", ""]'), encoded('["2026-11-26T17:30:00+00:00", "a{b"]'),
        encoded('["2026-11-26T17:30:00+00:00", "CA1", 3]'), encoded("[" * 700),
        encoded('["0001-01-01T00:00:00+09:00", "CA1"]'),
    ],
    ids=ascii,
)  # fmt: skip
def test_a_cursor_that_is_none_of_ours_is_refused(cursor: str) -> None:
    with pytest.raises(BadRecordQuery, match="cursor"):
        record_query({"cursor": cursor})
