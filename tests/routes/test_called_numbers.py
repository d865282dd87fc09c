"""Numbers in whatever spelling they are written and sent."""

import pytest

from orchestrator.routes.called_number import pattern_of, spelled


@pytest.mark.parametrize(("sent", "meant"), [
    ("+15551230001", "+15551230001"),
    ("+1 (555) 123-0001", "+15551230001"),
    (" tel:+1-555-123-0001 ", "+15551230001"),
    ("sip:Desk@PBX.example.com:5060;transport=udp?x=1", "sip:desk@pbx.example.com"),
    ("sips:desk@[2001:db8::1]:5061", "sip:desk@[2001:db8::1]"),
    ("sip:pbx.example.com", "sip:pbx.example.com"),
    ("client:Anna", "client:Anna"),
    ("5551230001", "5551230001"),
    ("anonymous", "anonymous"),
    ("", ""),
])  # fmt: skip
def test_what_providers_send_is_spelled_as_routes_are(sent: str, meant: str) -> None:
    assert spelled(sent) == meant


@pytest.mark.parametrize(("written", "meant"), [
    ("+1 555 123 0001", "+15551230001"),
    ("+1 (555) *", "+1555*"),
    ("*", "*"),
    ("sip:Desk@pbx.example.com", "sip:desk@pbx.example.com"),
    ("sip:desk*", "sip:desk*"),
    ("client:Anna", "client:Anna"),
    ("client:*", "client:*"),
    ("12345", "12345"),
    ("+12*3", None),
    ("reception", None),
    ("", None),
    ("+", None),
    ("sip:", None),
    ("+1555123000122222222", None),
    ("+1" + "5" * 300, None),
])  # fmt: skip
def test_a_route_names_a_number_a_beginning_an_address_or_the_rest(written: str, meant: str | None) -> None:
    assert pattern_of(written) == meant
