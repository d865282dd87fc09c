"""From which number a message is sent, and to whom it may be sent."""

from typing import Any

import pytest

from orchestrator.clock import utc_now
from orchestrator.schedule.item import MessageItem
from orchestrator.settings import Settings, load_settings
from orchestrator.text_messages.addressing import Addresses, NotSendable, addresses_of, missing_setting

FROM, TO = "+15551230000", "+15558675310"


def settings_with(**changes: Any) -> Settings:
    given = {"twilio_account_sid": "AC1", "twilio_auth_token": "secret", "twilio_from_number": FROM}
    return load_settings(**{**given, **changes})


def item_to(to: str) -> MessageItem:
    return MessageItem(
        item_id="message-1", call_sid="CA1", life="2026-11-27T01:00:00+00:00", asked_by="t1", due_at=utc_now(),
        to=to, text="See you.",
    )  # fmt: skip


def test_a_text_message_comes_from_the_number_of_the_settings() -> None:
    assert addresses_of(item_to(TO), settings_with()) == Addresses(FROM, TO)


def test_over_whatsapp_both_sides_are_addresses_of_whatsapp() -> None:
    assert addresses_of(item_to(f"whatsapp:{TO}"), settings_with()) == Addresses(f"whatsapp:{FROM}", f"whatsapp:{TO}")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"twilio_account_sid": None}, "TWILIO_ACCOUNT_SID"),
        ({"twilio_auth_token": None}, "TWILIO_AUTH_TOKEN"),
        ({"twilio_from_number": None}, "TWILIO_FROM_NUMBER"),
        ({"twilio_from_number": "client:desk"}, "TWILIO_FROM_NUMBER"),
    ],
)
def test_what_is_missing_is_named(changes: dict[str, str], named: str) -> None:
    settings = settings_with(**changes)
    assert named in (missing_setting(settings) or "")
    with pytest.raises(NotSendable, match=named):
        addresses_of(item_to(TO), settings)


def test_a_deployment_with_credentials_and_a_number_can_send() -> None:
    assert missing_setting(settings_with()) is None


@pytest.mark.parametrize("prefix", ["", "whatsapp:"])
def test_what_may_not_be_dialled_may_not_be_written_to(prefix: str) -> None:
    abroad, premium = f"{prefix}+46701234567", f"{prefix}+19005550100"
    for to in (abroad, premium):
        with pytest.raises(NotSendable) as raised:
            addresses_of(item_to(to), settings_with())
        assert to[-7:] not in str(raised.value)
    assert addresses_of(item_to(abroad), settings_with(dial_allow="+46")).to == abroad
    with pytest.raises(NotSendable, match="DIAL_ALLOW"):
        addresses_of(item_to(f"{prefix}{TO}"), settings_with(dial_allow="+46"))
