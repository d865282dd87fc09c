"""The fields of a webhook, as routes get them."""

from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from web.twilio.voice_request import VoiceRequest

names = st.sampled_from(
    ["example.com", "a_b", "bücher.example", "10.0.0.7", "[::1]", "[", "]", "user@host", "", "a b", "a/b"]
)
ports = st.sampled_from(
    [
        "",
        ":",
        ":0",
        ":00",
        ":080",
        ":80",
        ":9999",
        ":10000",
        ":59999",
        ":60000",
        ":65535",
        ":65536",
        ":x",
        ":80:80",
        "?",
        "#",
        "\t",
    ]
)
hosts = st.builds(str.__add__, names, ports) | st.text(st.characters(max_codepoint=255), max_size=9)


def request_to(host: str, query: str = "", scheme: str = "https") -> Request:
    return Request(
        {
            "type": "http", "method": "POST", "scheme": scheme, "path": "/twilio/turn/7", "path_params": {"n": "7"},
            "query_string": query.encode(), "headers": [(b"host", host.encode("latin-1"))],
        }
    )  # fmt: skip


def read(*fields: tuple[str, str], query: str = "") -> VoiceRequest:
    return VoiceRequest.of(request_to("example.com", query), FormData([("CallSid", "CA1"), *fields]))


def makes_a_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and parts.geturl() == url and not parts.path
    except ValueError:
        return False


@given(hosts, st.sampled_from(["http", "https"]))
@example("example.com:65536", "https")
@example("example.com:0", "https")
@example("example.com\n", "https")
@example(".", "https")
@example("-:1", "http")
def test_a_host_that_makes_no_url_is_refused(host, scheme):
    request = request_to(host, scheme=scheme)
    url = f"{scheme}://{request.headers['host']}"
    if makes_a_url(url):
        assert VoiceRequest.of(request, FormData([("CallSid", "CA1")])).host_url == url
    else:
        with pytest.raises(HTTPException) as refusal:
            VoiceRequest.of(request, FormData([("CallSid", "CA1")]))
        assert refusal.value.status_code == 400


def test_of_a_repeated_field_the_last_one_counts_and_a_missing_one_is_empty():
    request = read(("Digits", " 1 "), ("Digits", " 2 "), ("From", ""))
    assert (request.digits, request.from_number, request.speech, request.direction) == ("2", "", "", "inbound")
    assert (request.number, request.confidence, dict(request.query)) == ("7", None, {})


@pytest.mark.parametrize(
    ("text", "confidence"),
    [("0.5", 0.5), ("7", 1.0), ("-1", 0.0), ("nan", None), ("inf", None), ("", None), ("high", None)],
)
def test_a_confidence_is_a_number_from_0_to_1_or_unknown(text, confidence):
    assert read(("Confidence", text)).confidence == confidence


def test_the_query_is_read_where_there_is_one():
    assert dict(read(query="speech=sv-SE&empty=").query) == {"speech": "sv-SE", "empty": ""}
