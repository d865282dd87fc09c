"""Events: their ids, and what they keep."""

from orchestrator.events.event import Event, event_id, new_event

AT = 1_790_000_000.123


def test_an_id_is_a_uuid_of_version_7_that_begins_with_its_time() -> None:
    made = event_id(AT)
    assert (made.version, made.variant) == (7, "specified in RFC 4122")
    assert made.int >> 80 == 1_790_000_000_123


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [str(event_id(AT + number / 1000)) for number in range(1000)]
    assert ids == sorted(ids)
    assert len({str(event_id(AT)) for _ in range(10_000)}) == 10_000


def test_the_timestamp_is_utc_in_milliseconds() -> None:
    event = new_event("call.started", AT, {"call_sid": "CA1", "seq": 1})
    assert event.timestamp == "2026-09-21T14:13:20.123Z"
    assert (event.call_sid, event.seq) == ("CA1", 1)


def test_what_a_newer_version_adds_is_kept() -> None:
    text = '{"id":"1","type":"call.painted","timestamp":"t","data":{"call_sid":"CA1","seq":1},"colour":"red"}'
    assert Event.model_validate_json(text).model_dump_json() == text
