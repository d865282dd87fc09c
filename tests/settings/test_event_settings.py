"""What the settings of events mean, and what is said when they mean nothing."""

from pathlib import Path

import pytest

from orchestrator.errors import BadSetting
from orchestrator.event_types import EVENT_TYPES
from orchestrator.settings import Settings, load_settings

SECRET = "whsec_" + "QUJD" * 8
ANOTHER = "REVG" * 8


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def complaint(**environment: str) -> str:
    with pytest.raises(BadSetting) as caught:
        load_settings(**environment)
    return str(caught.value)


def urls_of(text: str) -> list[str]:
    return load_settings(events_webhook_url=text, events_webhook_secret=SECRET).webhook_urls


def test_all_types_but_single_turns_are_told_unless_others_are_chosen() -> None:
    assert load_settings().wanted_events == set(EVENT_TYPES) - {"turn.completed"}
    chosen = load_settings(events="call.ended, turn.completed,call.ended")
    assert chosen.wanted_events == {"call.ended", "turn.completed"}


@pytest.mark.parametrize("value", ["call.finished", "call.ended,call", ","])
def test_an_unknown_type_is_told(value: str) -> None:
    assert complaint(events=value) == (
        f"EVENTS: got '{value}'; it must be types of events, separated by commas: {', '.join(EVENT_TYPES)}"
    )


def test_several_urls_have_a_space_between_them_or_a_comma_where_that_is_plain() -> None:
    one, two = "https://a.example/x?list=1,2", "https://b.example"
    assert urls_of(one) == [one]
    for separator in (" ", ",", ", ", "\n"):
        assert urls_of(one + separator + two) == [one, two]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("hooks.example/hush", "must be a URL, or several"),
        ("ftp://hooks.example/hush", "must be a URL, or several"),
        ("https://hooks.example:port/hush", "must be a URL, or several"),
        ("https://hooks.example/#hush", "must be a URL, or several"),
        ("https://hooks.example https://other.example hush", "number 3 of them does not"),
        ("https://hooks.example https://hooks.example", "must name each URL once"),
        ("http://127.0.0.1:9/hush", "EVENTS_ALLOW_PRIVATE=true"),
        ("http://localhost/hush", "EVENTS_ALLOW_PRIVATE=true"),
        ("https://[fd00::1]/hush", "EVENTS_ALLOW_PRIVATE=true"),
        ("https://user:hush@10.1.2.3", "EVENTS_ALLOW_PRIVATE=true"),
    ],
)
def test_a_bad_url_is_told_and_not_shown(url: str, says: str) -> None:
    text = complaint(events_webhook_url=url, events_webhook_secret=SECRET)
    assert text.startswith("EVENTS_WEBHOOK_URL: it must ")
    assert says in text
    assert len(text.splitlines()) == 1
    assert "hush" not in text


def test_a_private_host_may_be_allowed() -> None:
    allowed = load_settings(
        events_webhook_url="http://127.0.0.1:9", events_webhook_secret=SECRET, events_allow_private="true",
        environment="production",
    )  # fmt: skip
    assert allowed.webhook_urls == ["http://127.0.0.1:9"]


def test_what_callers_said_is_not_sent_in_the_open_in_production() -> None:
    settings = {"events_webhook_url": "http://hooks.example", "events_webhook_secret": SECRET}
    assert "must begin with https:// in production" in complaint(**settings, environment="production")
    load_settings(**settings)


@pytest.mark.parametrize("secret", [SECRET, ANOTHER, f"{SECRET},{ANOTHER}", f"{SECRET} {ANOTHER}"])
def test_one_secret_or_two_are_taken(secret: str) -> None:
    settings = load_settings(events_webhook_url="https://hooks.example", events_webhook_secret=secret)
    assert settings.webhook_secrets == secret.replace(",", " ").split()


@pytest.mark.parametrize(
    "secret", ["hush", "whsec_hush", "whsec_" + "QUJD" * 5, "whsec_" + "QUJD" * 8 + "Q", f"{SECRET} {ANOTHER} {SECRET}",
               "whsk_" + "QUJD" * 8]
)  # fmt: skip
def test_a_bad_secret_is_told_and_not_shown(secret: str) -> None:
    text = complaint(events_webhook_url="https://hooks.example", events_webhook_secret=secret)
    assert text == (
        "EVENTS_WEBHOOK_SECRET: it must be 24 random bytes or more as base64, or two such secrets with a comma between "
        'them while one replaces the other: echo "whsec_$(openssl rand -base64 32)"'
    )


def test_a_url_and_its_secret_come_together() -> None:
    missing = "EVENTS_WEBHOOK_SECRET: it must be set together with EVENTS_WEBHOOK_URL"
    assert complaint(events_webhook_url="https://hooks.example") == missing
    assert complaint(events_webhook_secret=SECRET) == missing


def test_beside_a_bad_url_the_secret_is_not_missed() -> None:
    assert complaint(events_webhook_url="ftp://hooks.example").startswith("EVENTS_WEBHOOK_URL: ")


def test_a_file_is_one_that_can_be_written(tmp_path: Path) -> None:
    file = tmp_path / "events.jsonl"
    assert load_settings(events_file=str(file)).events_file == str(file)
    assert not file.exists()
    file.write_text("")
    load_settings(events_file=str(file))
    assert "in a directory that exists" in complaint(events_file=str(tmp_path / "none" / "events.jsonl"))
    assert "this is something else" in complaint(events_file=str(tmp_path))
    assert "this is something else" in complaint(events_file="/dev/null")


def test_a_file_that_may_not_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)  # which root always may
    assert "that this process may write" in complaint(events_file=str(tmp_path / "events.jsonl"))


@pytest.mark.parametrize("value", ["crm", "crm:", "crm:Sink,9:Sink"])
def test_the_name_of_a_class_has_its_form(value: str) -> None:
    assert complaint(events_sink=value) == f"EVENTS_SINK: got '{value}'; it must be package.module:Class"


def test_no_secret_of_events_shows() -> None:
    settings = load_settings(events_webhook_url="https://hooks.example/hush", events_webhook_secret=SECRET)
    shown = repr(settings) + str(settings) + settings.model_dump_json()
    assert "hush" not in shown
    assert "QUJD" not in shown


def test_all_complaints_about_sinks_come_at_once() -> None:
    text = complaint(
        events="nothing", events_webhook_url="nowhere", events_webhook_secret="short", events_file="/nowhere/x",
        events_sink="crm",
    )  # fmt: skip
    assert [line.partition(":")[0] for line in text.splitlines()] == [
        "EVENTS", "EVENTS_WEBHOOK_URL", "EVENTS_WEBHOOK_SECRET", "EVENTS_FILE", "EVENTS_SINK",
    ]  # fmt: skip
