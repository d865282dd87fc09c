"""Which sinks the settings make, by which names; and what is said of a class that is none."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.program import clean_environment
from support.servers import free_port

from orchestrator.conversation.state import ConversationState
from orchestrator.errors import BadSetting
from orchestrator.events.call_events import CallEvents
from orchestrator.events.sinks.factory import sink_names, sinks_of
from orchestrator.events.sinks.json_lines import JsonLinesSink
from orchestrator.events.sinks.webhook import WebhookSink
from orchestrator.settings import Settings, load_settings

REPOSITORY = Path(__file__).parents[2]
SECRET = "whsec_" + "QUJD" * 8
SINKS = """
class Crm:
    def __init__(self, settings=None):
        self.settings = settings
    async def deliver(self, event): ...
    async def close(self): ...

class file(Crm): ...

class Outer:
    class Crm(Crm): ...

class Deaf:
    async def close(self): ...

class Blocking:
    def deliver(self, event): ...
    def close(self): ...

class Broken(Crm):
    def __init__(self):
        raise RuntimeError("no key for the CRM")

instance = Crm()
"""


@pytest.fixture(autouse=True)
def users_module(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "users_sinks.py").write_text(SINKS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "users_sinks", raising=False)


def settings_of(**given: str) -> Settings:
    return load_settings(_env_file=None, **given)


async def test_the_database_is_a_sink_of_its_own() -> None:
    settings = settings_of(events_database_url="postgresql://h/d", events_sink="users_sinks:Crm")
    assert tuple(sink_names(settings)) == ("database", "Crm")
    sinks = sinks_of(settings)
    assert type(sinks["database"]).__name__ == "PostgresSink"
    await sinks["database"].close()


async def test_each_sink_has_a_name_that_stays(tmp_path: Path) -> None:
    settings = settings_of(
        events_webhook_url="https://a.example https://b.example https://c.example", events_webhook_secret=SECRET,
        events_file=str(tmp_path / "events.jsonl"),
        events_sink="users_sinks:Crm,users_sinks:Outer.Crm,users_sinks:file",
    )  # fmt: skip
    names = ("webhook", "webhook-2", "webhook-3", "file", "Crm", "Crm-2", "file-2")
    assert sink_names(settings) == names
    sinks = sinks_of(settings)
    assert tuple(sinks) == names
    assert isinstance(sinks["webhook-3"], WebhookSink)
    assert isinstance(sinks["file"], JsonLinesSink)
    assert type(sinks["Crm-2"]).__qualname__ == "Outer.Crm"
    for sink in sinks.values():
        await sink.close()


def test_a_sink_of_the_users_gets_the_settings_if_it_wants_them() -> None:
    settings = settings_of(events_sink="users_sinks:Crm")
    assert sinks_of(settings)["Crm"].settings is settings  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("users_sinks:Nobody", "the module users_sinks has no 'Nobody'"),
        ("nowhere_at_all:Sink", "there is no module 'nowhere_at_all' here"),
        ("users_sinks:instance", "an object of type Crm is not a class"),
        ("users_sinks:Deaf", "Deaf lacks async def deliver(self, event)."),
        ("users_sinks:Blocking", "lacks async def deliver(self, event) and async def close(self)."),
        ("users_sinks:Broken", "RuntimeError: no key for the CRM (users_sinks.py:22, in __init__)."),
    ],
)
def test_a_class_that_is_no_sink_is_told(name: str, says: str) -> None:
    with pytest.raises(BadSetting) as caught:
        sinks_of(settings_of(events_sink=name))
    assert str(caught.value).startswith(f"EVENTS_SINK={name}: ")
    assert says in str(caught.value)


def test_without_a_sink_there_are_no_events_to_write() -> None:
    settings = settings_of()
    assert sink_names(settings) == ()
    assert sinks_of(settings) == {}
    assert CallEvents.of(settings).tells_nothing


def test_the_events_of_the_settings_name_their_sinks_agent_and_version(tmp_path: Path) -> None:
    file = str(tmp_path / "events.jsonl")
    events = CallEvents.of(settings_of(events_file=file, agent="echo", worker_version="v9", events="call.started"))
    assert not events.tells_nothing
    announcement = events.accepted(ConversationState(call_sid="CA1"))
    assert announcement is not None
    (new,) = announcement.events
    assert new.sinks == ("file",)
    assert (new.event.data["agent"], new.event.data["worker_version"]) == ("echo", "v9")


HEAVY = "httpx standardwebhooks asyncpg orchestrator.events.sinks.webhook orchestrator.events.sinks.json_lines"


@pytest.mark.processes
@pytest.mark.parametrize(
    ("given", "loaded"),
    [
        ({}, set()),
        ({"events_file": "events.jsonl"}, {"orchestrator.events.sinks.json_lines"}),
        ({"events_database_url": "postgresql://h/d"}, {"asyncpg"}),
    ],
)
def test_nothing_is_imported_for_a_sink_that_is_not_set(given: dict[str, str], loaded: set[str]) -> None:
    program = f"""
import sys, web.app, workers.worker
from orchestrator.events.call_events import CallEvents
from orchestrator.events.sinks.factory import sinks_of
from orchestrator.settings import load_settings
before = set(sys.modules)
settings = load_settings(_env_file=None, **{given!r})
CallEvents.of(settings), sinks_of(settings)
print(*sorted(name for name in {HEAVY.split()!r} if name in set(sys.modules)))
"""
    shown = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
    )  # fmt: skip
    assert set(shown.stdout.split()) == loaded


@pytest.mark.processes
@pytest.mark.parametrize("module", ["web", "workers"])
def test_a_bad_sink_stops_the_process_at_start_with_one_sentence(module: str, tmp_path: Path) -> None:
    redis = {"USE_REDIS": "true", "REDIS_PORT": str(free_port())} if module == "workers" else {"PORT": "0"}
    ended = subprocess.run(
        [sys.executable, "-m", module], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env=clean_environment(PYTHONPATH=str(REPOSITORY), EVENTS_SINK="users_sinks:Deaf", **redis),
    )  # fmt: skip
    assert ended.returncode == 2
    said = [line for line in ended.stderr.splitlines() if "WARNING" not in line]
    assert said == ["EVENTS_SINK=users_sinks:Deaf: Deaf lacks async def deliver(self, event)."]


def test_a_url_that_no_request_can_be_sent_to_is_a_bad_setting() -> None:
    given = settings_of(events_webhook_url="https://xn--a.com/?token=secret", events_webhook_secret=SECRET)
    with pytest.raises(BadSetting, match="EVENTS_WEBHOOK_URL") as caught:
        sinks_of(given)
    assert "secret" not in str(caught.value)
