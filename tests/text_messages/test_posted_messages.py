"""Which of the provider's messages may be ours, and when it is asked."""

from datetime import UTC, datetime, timedelta

from orchestrator.provider_api.provider_message import ProviderMessage
from orchestrator.text_messages.addressing import Addresses
from orchestrator.text_messages.posted_messages import candidates
from orchestrator.text_messages.retry_times import RetryTimes

TIMES = RetryTimes()
NOW = datetime(2026, 11, 27, 1, 0, tzinfo=UTC)
OURS = Addresses("+15551230000", "+15558675310")


def message(sid: str = "SM1", text: str = "See you.", *, to: str = OURS.to, sender: str = OURS.sender, at: float = 1):
    return ProviderMessage(sid, sender, to, text, NOW + timedelta(seconds=at))


def sids(*found: ProviderMessage, text: str = "See you.") -> list[str]:
    return [one.message_sid for one in candidates(found, OURS, text, NOW)]


def test_another_text_number_or_sender_is_not_ours() -> None:
    others = message(text="See you!"), message(to="+15550000000"), message(sender="whatsapp:+15551230000")
    assert sids(*others, message("SM2")) == ["SM2"]


def test_what_the_provider_changes_in_a_text_makes_no_difference() -> None:
    assert sids(message(text="Sent from your Twilio trial account - See you."), message("SM2", " See  you.\n")) == [
        "SM1", "SM2",
    ]  # fmt: skip


def test_an_older_message_is_not_ours_but_the_clocks_may_differ() -> None:
    assert sids(message("old", at=-90), message("skewed", at=-30)) == ["skewed"]


def test_the_oldest_comes_first() -> None:
    assert sids(message("SM2", at=5), message("SM1", at=2)) == ["SM1", "SM2"]


def test_the_provider_is_asked_less_and_less_often_and_then_no_more() -> None:
    since = 1000.0
    asked, now = [], since
    while (at := TIMES.next_ask(since, now)) is not None:
        asked.append(at - since)
        now = at
    assert asked == list(TIMES.ask_after)
    assert TIMES.next_ask(since, since + 3600) is None


def test_a_retry_waits_longer_each_time_and_at_least_as_long_as_the_provider_asks() -> None:
    assert TIMES.retry_pause(0) < TIMES.retry_pause(3) < TIMES.retry_pause(6)
    assert TIMES.retry_pause(10**6) <= TIMES.longest_retry * 1.2
    assert TIMES.retry_pause(0, 90.0) >= 90
