"""What a search for secrets finds, and how the page's table is read."""

import base64
from collections.abc import Callable
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from canaries.canary import Canary, Form, Kind, Search, new_text
from canaries.plan import plantings
from canaries.redis_places import DEAD_LETTERS, REST, STATES, TURNS, place_of, written
from canaries.report import PLACES, SENSITIVE, WITH_KEYS, WITHOUT_KEYS, Report, promised

from orchestrator.masking import masked
from orchestrator.redis import keys

FORMS: tuple[Form, ...] = ("letters", "digits", "number")
RNG = Random(1)
KINDS: dict[Form, Kind] = {"letters": "words", "digits": "words", "number": "numbers"}
CANARIES = {form: Canary(form, KINDS[form], False, new_text(form, RNG)) for form in FORMS}
SEARCH = Search(CANARIES.values())

SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "backwards": lambda text: text[::-1],
    "in capitals": str.upper,
    "in fours": lambda text: "-".join(text[at : at + 4] for at in range(0, len(text), 4)),
    "character by character": " ".join,
    "in a URL": quote,
    "in hexadecimal": lambda text: text.encode().hex(),
    "in base64": lambda text: base64.b64encode(f"it is {text}, they said".encode()).decode(),
    "in base64, moved": lambda text: base64.b64encode(f"it was {text}, they said".encode()).decode(),
    "in base64, moved on": lambda text: base64.b64encode(f"it may {text}, they said".encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_secret_is_found_in_every_spelling(form: Form, spelling: str) -> None:
    content = f'{{"text": "{SPELLINGS[spelling](CANARIES[form].text)}"}}'.encode()
    assert SEARCH.found_in(content) == {CANARIES[form]}


@pytest.mark.parametrize("form", ["letters", "digits"])
def test_a_secret_that_is_cut_off_is_found(form: Form) -> None:
    text = CANARIES[form].text
    for part in (text[:10], text[-10:]):
        assert SEARCH.found_in(f"you said {part}".encode()) == {CANARIES[form]}


def test_a_masked_number_and_other_text_are_no_finding() -> None:
    other = new_text("letters", Random(2)), new_text("number", Random(3)), masked(CANARIES["number"].text), "zqxj"
    assert SEARCH.found_in(" ".join(other).encode()) == set()


@pytest.mark.parametrize(
    ("key", "place"),
    [
        (keys.state("CA1"), STATES), (keys.call("CA1").turns, TURNS), (keys.DEAD_LETTERS, DEAD_LETTERS),
        (keys.call("CA1").lease, REST), (keys.DUE, REST), (keys.aside(keys.state("CA1")), STATES),
    ],
)  # fmt: skip
def test_a_key_of_redis_has_its_place(key: str, place: str) -> None:
    assert place_of(key) == place


def test_what_was_written_to_redis_is_read_up_to_where_it_is_torn(tmp_path: Path) -> None:
    def command(*parts: str) -> bytes:
        return b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%s\r\n" % (len(p), p.encode()) for p in parts)])

    whole = command("SELECT", "0") + command("SET", keys.state("CA1"), "hello\r\n*3")
    (tmp_path / "a.aof").write_bytes(whole + command("SET", keys.DUE, "cut")[:-9])
    assert list(written(tmp_path)) == [(REST, b"0"), (STATES, keys.state("CA1").encode() + b" hello\r\n*3")]


def test_the_page_has_each_place_once_and_no_other() -> None:
    columns = (WITHOUT_KEYS, WITH_KEYS, SENSITIVE)
    assert set(promised()) == {(place, column) for place in PLACES for column in columns}
    assert set().union(*promised().values()) == {"words", "numbers"}


def test_a_report_names_what_leaks_and_what_is_missing() -> None:
    word = CANARIES["letters"]
    report = Report({STATES: {word}, TURNS: {word}}, {}, encrypts=False, faults={}, planted=1, lost=(), exits=())
    may = {(STATES, WITHOUT_KEYS): frozenset({"words", "numbers"})}
    assert report.leaks(may) == ["Redis: turns, without keys: words (letters)"]
    assert report.missing(may) == ["Redis: states, without keys: no numbers in 0 bytes"]


def test_fifty_secrets_are_told_in_private_and_as_many_openly() -> None:
    planted = plantings(seed=1)
    assert sum(each.canary.is_sensitive for each in planted) >= 50
    assert sum(not each.canary.is_sensitive for each in planted) >= 50
    assert len({each.canary.text for each in planted}) == len({each.canary.name for each in planted}) == len(planted)
