"""What is found of what sensitive turns brought, and what is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.conversation.sensitive import HIDDEN
from orchestrator.sensitive_turns.redaction import Redaction

CARD = "5555 5555 5555 4444"


@pytest.mark.parametrize(
    ("brought", "text", "expected"),
    [
        (CARD, "It is 5555-5555-5555-4444, thanks.", f"It is {HIDDEN}, thanks."),
        (CARD, "Card 5555555555554444", f"Card {HIDDEN}"),
        (CARD, "It ends in 4444.", "It ends in 4444."),
        (CARD, "You said 5555 5555 55", f"You said {HIDDEN}"),
        ("it is 5555, then 1111", "the number 55551111", f"the number {HIDDEN}"),
        ("123", "the code 123, not 1234", f"the code {HIDDEN}, not 1234"),
        ("12", "12 o'clock", "12 o'clock"),
        ("My password is Hunter2!", "So it was hunter2.", f"So it was {HIDDEN}."),
        ("write to ann@example.com", "I write to ann@example.com.", f"I {HIDDEN}."),
        ("Diabetes", "I am sorry about your diabetes.", f"I am sorry about your {HIDDEN}."),
        ("my name is Zebulon Quartermain", "Hello, Zebulon Quartermain!", f"Hello, {HIDDEN}!"),
        ("my name is Zebulon Quartermain", "Is your name right?", "Is your name right?"),
        ("tell me it all", "It is all there", "It is all there"),
    ],
)
def test_what_is_found(brought: str, text: str, expected: str) -> None:
    assert Redaction([brought]).text(text) == expected


def test_it_is_found_in_json_also_as_a_number_or_a_name() -> None:
    redaction = Redaction([CARD])
    assert redaction.value({"n": [5555555555554444, True, None], CARD: 1.5}) == {"n": [HIDDEN, True, None], HIDDEN: 1.5}
    assert redaction.is_in({"a": [{"b": "5555.5555.5555.4444"}]})
    assert not redaction.is_in({"a": [{"b": "4444"}], "c": False})


def test_a_part_of_what_was_brought_is_in_a_slot() -> None:
    redaction = Redaction(["my diagnosis is diabetes"])
    assert redaction.is_in({"what": "Diabetes"})
    assert not redaction.is_in({"what": "dia"})


def test_nothing_brought_hides_nothing() -> None:
    assert not Redaction([])
    assert not Redaction(["", "?!"])
    assert Redaction([]).text("5555") == "5555"


@given(st.text(min_size=4, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_a_text_that_was_brought_is_never_left(brought: str, before: str, after: str) -> None:
    redaction = Redaction([brought])
    if redaction and len(brought.strip()) >= 4:
        kept = redaction.text(f"{before} {brought.strip()} {after}")
        assert brought.strip() not in kept.replace(HIDDEN, "\0")


@given(st.text(alphabet="0123456789 .-ab", max_size=80), st.lists(st.text("0123456789", min_size=3), max_size=4))
def test_places_stay_in_order_and_within_the_text(text: str, brought: list[str]) -> None:
    redacted = Redaction(brought).redacted(text)
    places = [redacted.place(at) for at in range(len(text) + 1)]
    assert places == sorted(places)
    assert places[0] >= 0
    assert places[-1] == len(redacted.text)
