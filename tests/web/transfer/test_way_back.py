"""What the URL of a return says, and what it cannot be made to say."""

import pytest
from support.transferring import OTHER, PERSON, query_of

from orchestrator.conversation.actions import Transfer
from web.twilio.language import Languages
from web.twilio.transfer.way_back import WayBack, returned_turn_id, way_back_of


@pytest.mark.parametrize("way", [
    WayBack("apology"),
    WayBack("record", by="turn-7"),
    WayBack.from_transfer(Transfer(PERSON), "turn-1", 0),
    WayBack.from_transfer(Transfer((PERSON, OTHER), then="return", on_failure="hang_up", accept_key="#"), "~x/ä?&", 1),
    WayBack.from_transfer(Transfer((PERSON, "client:a"), order="at_once"), "turn-1", 0),
    WayBack("transfer", by="t", status="no-answer", seconds=61, leg="CA-leg", attempt=3, since=1764211234.567),
])  # fmt: skip
def test_a_url_says_what_was_put_into_it(way):
    assert way_back_of(query_of(Languages().turn_path(2, **way.query))) == way


@pytest.mark.parametrize("query", [{}, {"left": ""}, {"left": "x"}, {"left": "Transfer"}, {"by": "turn-1"}])
def test_the_url_of_another_webhook_says_nothing(query):
    assert way_back_of(query) is None


def test_nothing_in_a_url_is_unbounded():
    long = "9" * 5000
    fields = ("by", "target", "to", "status", "seconds", "leg", "attempt", "since")
    way = way_back_of({"left": "transfer"} | dict.fromkeys(fields, long))
    assert len(way.by) == len(way.leg) == 256
    assert (len(way.to), len(way.status)) == (1000, 40)
    assert (way.target, way.seconds, way.attempt, way.since) == (0, 0, 0, 0.0)


@pytest.mark.parametrize("text", ["-1", "1.5", "٣", "1e3", " ", "nan", "inf", "0x10"])
def test_only_whole_numbers_count(text):
    way = way_back_of({"left": "transfer", "target": text, "seconds": text, "attempt": text})
    assert (way.target, way.seconds, way.attempt) == (0, 0, 0)


@pytest.mark.parametrize("order", ["one_by_one", "at_once"])
def test_a_url_does_not_say_who_is_rung(order):
    way = WayBack.from_transfer(Transfer((PERSON, OTHER), order=order), "turn-1", 0)
    path = Languages().turn_path(2, **way.query)
    assert PERSON.removeprefix("+") not in path
    assert OTHER.removeprefix("+") not in path


def test_who_was_rung_is_read_from_a_url_of_the_previous_version():
    assert way_back_of({"left": "transfer", "to": PERSON}).to == PERSON


def test_a_return_over_a_relay_has_one_id_of_bounded_length():
    by = "VX1-1"
    for _ in range(50):
        assert returned_turn_id(by) == returned_turn_id(by)
        by = returned_turn_id(by)
        assert len(by) <= 110
        assert by.startswith("~returned-")
    assert returned_turn_id("a" * 200) != returned_turn_id("a" * 201)
