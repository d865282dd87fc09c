"""`voiceagent doctor` on events: sinks that cannot be reached, and events that are not delivered."""

import base64
import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from support.certificates import CertificateAuthority
from support.servers import free_port
from support.terminal import run_script
from support.webhook_receiver import WebhookReceiver

from orchestrator.doctor.events import judge_events
from orchestrator.doctor.facts import SinkFacts, SystemFacts
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.sink_inspection import inspect_sinks
from orchestrator.events.outbox_report import OutboxReport, SinkReport
from orchestrator.redis import keys
from orchestrator.settings import Settings

SECRET = base64.b64encode(bytes(24)).decode()
FILE = SinkFacts("file", "events.jsonl")


def with_webhook(url: str, **settings: Any) -> Settings:
    return Settings(
        events_webhook_url=url, events_webhook_secret=SECRET, events_allow_private=True, _env_file=None, **settings
    )


def a_report(at: float = 1.0, **sinks: SinkReport) -> OutboxReport:
    return OutboxReport(at=at, calls=2, max_bytes=1000, dead=sum(it.dead for it in sinks.values()), sinks=sinks)


async def look_at_sinks(settings: Settings) -> tuple[SinkFacts, ...]:
    """What the doctor sees of the sinks, however slow the machine is."""
    return await inspect_sinks(settings, connect_seconds=60)


def judged(*sinks: SinkFacts, **system: Any) -> list[Finding]:
    return list(judge_events(sinks, SystemFacts(**system)))


# The sinks themselves.


async def test_a_webhook_that_answers_is_fine_and_gets_nothing() -> None:
    async with WebhookReceiver() as receiver:
        (facts,) = await look_at_sinks(with_webhook(receiver.url))
        assert (facts.name, facts.trouble) == ("webhook", "")
        assert receiver.received == []


async def test_a_webhook_that_cannot_be_reached_is_named_without_its_path() -> None:
    port = free_port()
    (facts,) = await look_at_sinks(with_webhook(f"http://127.0.0.1:{port}/secret-token"))
    assert facts.trouble.startswith(f"127.0.0.1:{port} cannot be reached: Connection refused.")
    assert "three days" in facts.advice
    assert not facts.loses_events
    assert "secret" not in repr(facts)


async def test_a_webhook_with_an_invalid_certificate_is_told(tmp_path: Path) -> None:
    identity = CertificateAuthority(tmp_path).issue("127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    async with WebhookReceiver(tls=context) as receiver:
        (facts,) = await look_at_sinks(with_webhook(receiver.url))
    assert "certificate of 127.0.0.1" in facts.trouble


async def test_a_webhook_in_a_private_network_refuses_every_event() -> None:
    settings = with_webhook("https://127.0.0.1/hook").model_copy(update={"events_allow_private": False})
    (facts,) = await look_at_sinks(settings)
    assert facts.loses_events
    assert "not a public one: every event is refused" in facts.trouble
    assert "EVENTS_ALLOW_PRIVATE=true" in facts.advice
    (finding,) = judged(facts)
    assert finding.level == "problem"


async def test_a_name_that_nobody_knows_is_told() -> None:
    (facts,) = await look_at_sinks(with_webhook("https://hooks.invalid/x"))
    assert "hooks.invalid:443 cannot be reached" in facts.trouble


async def test_each_sink_is_looked_at(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    settings = with_webhook(f"{url}/a {url}/b", events_file=str(tmp_path / "e.jsonl"), events_sink="crm:Crm")
    found = {facts.name: bool(facts.trouble) for facts in await look_at_sinks(settings)}
    assert found == {"webhook": True, "webhook-2": True, "file": False, "Crm": False}
    assert not (tmp_path / "e.jsonl").exists(), "the doctor only reads"


async def test_a_database_without_its_tables_is_told(postgres_url: str) -> None:
    (facts,) = await look_at_sinks(Settings(events_database_url=postgres_url, _env_file=None))
    assert (facts.name, facts.place) == ("database", "PostgreSQL")
    assert "tables of the records are missing" in facts.trouble
    assert "voiceagent records migrate" in facts.advice


async def test_a_database_with_its_tables_is_fine(records_url: str) -> None:
    (facts,) = await look_at_sinks(Settings(events_database_url=records_url, _env_file=None))
    assert facts.trouble == ""


async def test_a_database_that_does_not_answer_is_told_without_its_password() -> None:
    url = f"postgresql://user:hush@127.0.0.1:{free_port()}/x"
    (facts,) = await look_at_sinks(Settings(events_database_url=url, _env_file=None))
    assert "PostgreSQL does not answer" in facts.trouble
    assert "hush" not in repr(facts)


async def test_a_webhook_that_says_nothing_is_given_up_in_time() -> None:
    async with WebhookReceiver() as receiver:  # no TLS, and waits for a request
        (facts,) = await inspect_sinks(with_webhook(receiver.url.replace("http:", "https:")), connect_seconds=0.1)
    assert "does not answer within 0.1 s" in facts.trouble


# What is not delivered.


def test_without_sinks_nothing_is_said() -> None:
    assert judged() == []
    assert list(judge_events([], None)) == []


def test_a_sink_that_the_workers_do_not_have_is_a_problem() -> None:
    *_, missing, well = judged(FILE, SinkFacts("webhook", "x:443"), outbox=a_report(file=SinkReport()))
    assert (missing.level, missing.message) == ("problem", "webhook is set here, and no worker delivers to it.")
    assert (well.level, well.message) == ("ok", "Every event is delivered.")


def test_a_sink_that_only_the_workers_have_is_told() -> None:
    _, other, _ = judged(FILE, outbox=a_report(file=SinkReport(), old=SinkReport(pending=4)))
    assert other.level == "warning"
    assert "Events are kept for old, which these settings do not name" in other.message
    assert "voiceagent events drop" in other.advice


@pytest.mark.parametrize(
    ("system", "is_told"),
    [
        ({"workers": ({},), "heartbeat_age_seconds": 20.0}, True),
        ({"workers": ({},), "heartbeat_age_seconds": None}, False),
        ({"workers": ({},), "heartbeat_age_seconds": 300.0}, False),
        ({"workers": (), "heartbeat_age_seconds": 20.0}, False),
    ],
)
def test_workers_without_sinks_are_told_once_they_should_have_reported(system: Any, is_told: bool) -> None:
    messages = [finding.message for finding in judged(FILE, **system)]
    assert ("Sinks are set here, and no worker reports that it delivers to any." in messages) == is_told


def test_dead_deliveries_and_an_old_outbox_are_warnings() -> None:
    sinks = {"file": SinkReport(pending=1, dead=3, oldest_seconds=7200)}
    _, old, dead = judged(FILE, outbox=a_report(**sinks))
    assert (old.level, dead.level) == ("warning", "warning")
    assert "120 min for file" in old.message
    assert dead.message == "3 deliveries are dead."
    assert "voiceagent events --dead" in dead.advice


@pytest.mark.processes
async def test_all_of_it_is_read_from_a_real_server(redis_client, redis_url: str, tmp_path: Path) -> None:
    report = a_report(at=time.time(), file=SinkReport(dead=1), webhook=SinkReport(pending=2, stopped=True))
    await redis_client.set(keys.OUTBOX_REPORT, report.model_dump_json(), ex=60)
    settings = {
        "USE_REDIS": "true", "REDIS_URL": redis_url, "PORT": str(free_port()), "EVENTS_FILE": "events.jsonl",
    }  # fmt: skip
    _, output, errors = await run_script("doctor", "--json", cwd=tmp_path, settings=settings)
    assert errors == ""
    found = [it for it in json.loads(output)["findings"] if it["check"] == "events"]
    assert [it["level"] for it in found] == ["ok", "warning", "warning", "warning"]
    text = " ".join(it["message"] for it in found)
    assert "Events are kept for webhook" in text
    assert "voiceagent events resume webhook" in text
    assert "1 delivery is dead." in text


@pytest.mark.processes
async def test_a_file_that_cannot_be_written_stops_the_doctor_with_its_reason(tmp_path: Path) -> None:
    code, _, errors = await run_script("doctor", cwd=tmp_path, settings={"EVENTS_FILE": "no/such/place.jsonl"})
    assert code == 2
    assert "EVENTS_FILE" in errors
