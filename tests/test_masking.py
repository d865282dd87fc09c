"""Addresses of people are shown so that they can be told apart, and not so that they can be called."""

import pytest

from orchestrator.masking import masked

SHOWN = {
    "+15551235310": "+1555•••5310",
    "to +46812345678, and +442079460958.": "to +4681•••5678, and +4420•••0958.",
    "+1 (555) 123-5310": "+1555•••5310",
    "+46 8 123 45 67": "+468•••4567",
    "+1.555.123.5310 called": "+1555•••5310 called",
    "/calls/+15551235310/turns": "/calls/+1555•••5310/turns",
    "?From=%2B15551235310&To=%2B15550100": "?From=%2B1555•••5310&To=%2B1•••0100",
    "?u=https%3A%2F%2Fh%3Ff%3D%252B15551235310": "?u=https%3A%2F%2Fh%3Ff%3D%252B1555•••5310",
    "%2B1%20555%20123%205310": "%2B1555•••5310",
    "The 'To' number whatsapp:+15551235310 is invalid": "The 'To' number whatsapp:+1555•••5310 is invalid",
    '{"from": "+15551235310"}': '{"from": "+1555•••5310"}',
    "+1555123531099999999999": "+1555•••9999",
    "+12345": "+•••45",
    "sip:margaret@pbx.example.com;transport=tls": "sip:m•••@pbx.example.com;transport=tls",
    "SIPS:bob:hush@pbx": "SIPS:•••@pbx",
    "sip:+15551235310@pbx": "sip:+1555•••5310@pbx",
    "to=sip%3Amargaret%40pbx": "to=sip%3Am•••%40pbx",
    "client:margaret.smith": "client:m•••",
    "to=client%3Amargaret": "to=client%3Am•••",
    "client:+15551235310": "client:+1555•••5310",
    "client:al": "client:•••",
}
PLAIN = (
    "", "a+b", "1+2", "+1234", "2026-11-27T07:33:19.123+00:00", "27/Nov/2026 +0100 2026-11-27", "1764230000000",
    "CAd492ca5020e34eba9817d69f584486e5", "http://client:8000/x", "orchestrator.client:main", "front_client:answer",
    "the client: he left", "sip:pbx.example.com", "50% 25%", "gossip: a@b", "1e+16",
)  # fmt: skip


@pytest.mark.parametrize(("text", "shown"), SHOWN.items(), ids=SHOWN)
def test_an_address_is_masked_wherever_it_stands(text: str, shown: str) -> None:
    assert masked(text) == shown
    assert masked(f"a {text} b") == f"a {shown} b"


@pytest.mark.parametrize("text", SHOWN)
def test_masking_twice_changes_nothing_more(text: str) -> None:
    assert masked(masked(text)) == masked(text)


@pytest.mark.parametrize("text", PLAIN)
def test_other_text_stays(text: str) -> None:
    assert masked(text) == text
