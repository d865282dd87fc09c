"""Our signatures are those of Twilio's own library, which is the judge here."""

from collections.abc import Iterable
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import FormData
from twilio.request_validator import RequestValidator

from web.twilio.signer import Signer

TOKEN = "0123456789abcdef"
SIGNER, LIBRARY = Signer(TOKEN), RequestValidator(TOKEN)

Fields = list[tuple[str, str]]

names = st.sampled_from(["CallSid", "From", "Tag", "tag", "", "Ünicode", "a b", "\x00", "😀"])
fields = st.lists(st.tuples(names, st.text(max_size=6) | names), max_size=6)

schemes = st.sampled_from(["http", "https", "HTTPS", "wss", "ftp", ""])
hosts = st.sampled_from(
    ["example.com", "Example.COM", "xn--bcher-kva.example", "bücher.example", "10.0.0.7", "[::1]",
     "user:pw@example.com", "", "[", "[::1", "a b", "localhost", "a_b", "example.com.", "a\tb", "a/b"]
)  # fmt: skip
ports = st.sampled_from(
    [
        "",
        ":",
        ":0",
        ":80",
        ":443",
        ":080",
        ":8443",
        ":10000",
        ":59999",
        ":60000",
        ":65535",
        ":65536",
        ":99999",
        ":x",
        ":-1",
        ":４４３",
    ]
)
paths = st.sampled_from(
    ["", "/", "//", "/twilio/turn/1", "/twilio/turn/1;", "/twilio/turn/;a=b", "/a%20b", "/a b", "/%", "/é", "/#",
     "/a#b", "/a\n", "/.", "/..", "/*", "*", "/\x00", "/a:b", "/{}", "/@"]
)  # fmt: skip
queries = st.sampled_from(
    ["", "?", "?a", "?a=b", "?a=b&a=c&d=", "?a=%C3%A9", "?a=+", "?a=/", "?a=;", "?a=#", "?a?b", "?é", "? ", "?a=~_.-",
     "?bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"]
)  # fmt: skip
urls = st.builds(lambda *parts: "{}://{}{}{}{}".format(*parts), schemes, hosts, ports, paths, queries)
"""Well-formed ones, and those that a strange Host header or path would make."""


def form(pairs: Iterable[tuple[str, str]]) -> FormData:
    return FormData(list(pairs))


def judged(url: str, pairs: Fields, signature: str) -> bool:
    """Return what the product returned when it asked the library."""
    try:
        return bool(LIBRARY.validate(url, form(pairs), signature))
    except ValueError:
        return False


def accepted(url: str, pairs: Fields, signature: str) -> bool:
    try:
        return SIGNER.has_signed(url, pairs, signature)
    except ValueError:
        return False


@given(urls | st.text(max_size=12), fields)
def test_a_signature_is_what_the_library_computes(url, pairs):
    assert SIGNER.signature(url, pairs).decode() == LIBRARY.compute_signature(url, form(pairs))


@given(urls, urls, fields)
@example("https://example.com/a", "https://example.com:443/a", [])
@example("https://example.com:443/a", "https://example.com/a", [])
@example("https://example.com:8443/a", "https://example.com/a", [])
@example("http://example.com:80/a?b=c", "http://example.com/a?b=c", [("CallSid", "CA1")])
@example("http://example.com:0/a", "http://example.com:0:80/a", [])
@example("http://[/a", "http://[/a", [])
@example("https://example.com:65536/a", "https://example.com:65536/a", [])
@example("https://example.com/a;", "https://example.com/a;", [])
@example("https://example.com/a?", "https://example.com/a", [])
def test_a_url_is_accepted_in_the_spellings_that_the_library_accepts(url, signed, pairs):
    for spelling in (url, signed, *spelled(url)):
        signature = LIBRARY.compute_signature(spelling, form(pairs))
        assert accepted(url, pairs, signature) == judged(url, pairs, signature)


def spelled(url: str) -> list[str]:
    """Return spellings of the URL that differ in their port alone."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    bare = host.split(":")[0]
    return [f"{scheme}://{other}{slash}{path}" for other in (bare, f"{host}:443", f"{host}:80", f"{bare}:8443")]


@given(fields, fields)
@example([("Tag", "b"), ("Tag", "a")], [("Tag", "a"), ("Tag", "b")])
@example([("Tag", "a"), ("Tag", "a")], [("Tag", "a")])
@example([("Empty", "")], [])
@example([("ab", "c")], [("a", "bc")])
def test_the_fields_are_signed_in_the_librarys_order_each_pair_once(sent, signed):
    signature = LIBRARY.compute_signature("https://example.com/a", form(signed))
    assert accepted("https://example.com/a", sent, signature) == judged("https://example.com/a", sent, signature)


@pytest.mark.parametrize("given_signature", ["", "wrong", "é", "\xff" * 28, " ", "AAAAAAAAAAAAAAAAAAAAAAAAAAA="])
def test_what_is_no_signature_is_refused(given_signature):
    assert not accepted("https://example.com/a", [], given_signature)
    assert not judged("https://example.com/a", [], given_signature)


@given(st.binary(max_size=8), st.sampled_from(["/twilio/turn/1", "/twilio/%E2%82%AC"]))
def test_paths_and_queries_are_signed_as_they_were_sent(content, path):
    url = f"https://example.com{path}?held={quote(content)}"
    assert accepted(url, [], LIBRARY.compute_signature(url, {}))
    assert not accepted(url + "x", [], LIBRARY.compute_signature(url, {}))


@pytest.mark.parametrize("at", [0, 13, 27])
def test_one_wrong_character_is_enough(at):
    url, pairs = "https://example.com/a", [("CallSid", "CA1")]
    right = SIGNER.signature(url, pairs).decode()
    assert accepted(url, pairs, right)
    assert not accepted(url, pairs, right[:at] + ("A" if right[at] != "A" else "B") + right[at + 1 :])
    assert not accepted(url, pairs, right[:-1])
    assert not accepted(url, pairs, right + "=")
