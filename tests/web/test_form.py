"""Forms are parsed as the standard library parses them, which is the judge here."""

from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.exceptions import HTTPException

from web.form import MAX_FIELDS, form_of

NO_FORM = f"400 The body is not a form of at most {MAX_FIELDS} fields."

bits = st.sampled_from(
    [b"a", b"=", b"&", b"+", b"%", b"%2", b"%20", b"%2B", b"%zz", b"%C3%A9", b"%c3", b"%A9", b"%ED%A0%80", b"%00", b";",
     "é".encode(), b"\xc3", b"\xa9", b"CallSid=CA1", b"?", b"#", b" ", b"\n"]
)  # fmt: skip
bodies = st.lists(bits, max_size=20).map(b"".join) | st.binary(max_size=12)


def judged(body: bytes) -> list[tuple[str, str]] | str:
    """Return the fields, or the refusal, that `parse_qsl` leads to."""
    try:
        return parse_qsl(
            body.decode(), keep_blank_values=True, strict_parsing=bool(body), errors="strict", max_num_fields=MAX_FIELDS
        )
    except UnicodeDecodeError:
        return "400 The form is not UTF-8."
    except ValueError:
        return NO_FORM


def parsed(body: bytes) -> object:
    try:
        return form_of(body).multi_items()
    except HTTPException as error:
        return f"{error.status_code} {error.detail}"


@given(bodies)
@example(b"a=%ff&b")
@example(b"b&a=%ff")
@example(b"a=1&&b=2")
@example(b"a=1&")
@example(b"=")
@example(b"a==b")
@example(b"a=%2B+%26%3D")
@example("a=%C3é".encode())
@example("a=é%A9".encode())
def test_fields_and_refusals_are_those_of_the_standard_library(body):
    assert parsed(body) == judged(body)


@given(st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9)), max_size=9))
def test_what_was_encoded_is_read_back(pairs):
    assert parsed(urlencode(pairs).encode()) == pairs


@pytest.mark.parametrize("fields", [MAX_FIELDS, MAX_FIELDS + 1])
def test_the_number_of_fields_is_bounded(fields):
    body = b"&".join([b"a=b"] * fields)
    assert parsed(body) == judged(body)
    assert (parsed(body) == NO_FORM) == (fields > MAX_FIELDS)
