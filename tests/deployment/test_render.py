"""`render.yaml` says what Render's own schema does not check, and what a call needs."""

import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator.agents.loader import configured_agent
from orchestrator.settings import Settings, load_settings

Service = dict[str, Any]
SECRETS = {
    "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", "API_KEY", "REDIS_URL", "REDIS_PASSWORD", "SEAL_KEY", "LLM_API_KEY",
    "EVENTS_WEBHOOK_URL", "EVENTS_WEBHOOK_SECRET", "EVENTS_DATABASE_URL",
}  # fmt: skip


def of_type(blueprint: dict[str, Any], kind: str) -> Service:
    (service,) = (service for service in blueprint["services"] if service["type"] == kind)
    return service


@pytest.fixture
def web(blueprint: dict[str, Any]) -> Service:
    return of_type(blueprint, "web")


@pytest.fixture
def worker(blueprint: dict[str, Any]) -> Service:
    return of_type(blueprint, "worker")


@pytest.fixture
def store(blueprint: dict[str, Any]) -> Service:
    return of_type(blueprint, "keyvalue")


@pytest.fixture
def group(blueprint: dict[str, Any]) -> dict[str, str]:
    (only,) = blueprint["envVarGroups"]
    return {variable["key"]: variable["value"] for variable in only["envVars"]}


def test_both_programs_start_as_the_procfile_starts_them(
    web: Service, worker: Service, procfile: dict[str, str]
) -> None:
    assert web["startCommand"] == procfile["web"]
    assert worker["startCommand"] == procfile["worker"]
    assert web["buildCommand"] == worker["buildCommand"]
    assert "requirements.txt" in web["buildCommand"]


def test_a_language_model_needs_nothing_but_the_agents_name_and_the_key(
    web: Service, worker: Service, group: dict[str, str], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for service in (web, worker):
        assert "requirements-llm.txt" in service["buildCommand"]
        assert {"key": "LLM_API_KEY", "sync": False} in service["envVars"]
    for name, value in {**group, "AGENT": "llm", "LLM_API_KEY": "k"}.items():
        monkeypatch.setenv(name, value)
    assert configured_agent(load_settings(_env_file=None)).name == "llm"


def test_the_lock_of_the_extra_is_that_of_the_program_and_more(repository: Path) -> None:
    pinned = {
        name: set(re.findall(r"^[a-z0-9][^ ]*==[^ ]+", (repository / name).read_text(), re.MULTILINE))
        for name in ("requirements.txt", "requirements-llm.txt")
    }
    assert pinned["requirements.txt"] <= pinned["requirements-llm.txt"]
    more = {pin.partition("==")[0] for pin in pinned["requirements-llm.txt"] - pinned["requirements.txt"]}
    assert {"pydantic-ai-slim", "openai"} <= more
    text = (repository / "requirements-llm.txt").read_text()
    assert text.count("==") <= text.count("--hash=sha256:")


def test_health_is_this_process_alone_and_only_the_ingress_has_a_page(web: Service, worker: Service) -> None:
    assert web["healthCheckPath"] == "/livez"
    assert "healthCheckPath" not in worker


def test_nothing_runs_on_a_plan_that_sleeps_or_forgets(blueprint: dict[str, Any]) -> None:
    assert [service["name"] for service in blueprint["services"] if service.get("plan", "free") == "free"] == []


def test_everything_is_in_one_region(blueprint: dict[str, Any]) -> None:
    assert len({service["region"] for service in blueprint["services"]}) == 1


def test_redis_evicts_nothing_and_is_reached_from_inside_alone(store: Service) -> None:
    assert store["maxmemoryPolicy"] == "noeviction"
    assert store["ipAllowList"] == []


def test_both_programs_share_the_group_and_the_redis(
    web: Service, worker: Service, store: Service, blueprint: dict[str, Any]
) -> None:
    (group,) = blueprint["envVarGroups"]
    for service in (web, worker):
        assert {"fromGroup": group["name"]} in service["envVars"]
        (url,) = (v["fromService"] for v in service["envVars"] if v.get("key") == "REDIS_URL")
        assert url == {"type": "keyvalue", "name": store["name"], "property": "connectionString"}


def test_both_programs_tell_the_same_events(web: Service, worker: Service) -> None:
    """What an ingress writes names the sinks; a worker delivers to those that it has."""

    def told(service: Service) -> list[dict[str, Any]]:
        return [variable for variable in service["envVars"] if variable.get("key", "").startswith("EVENTS")]

    assert told(web) == told(worker) != []


def test_the_group_holds_plain_values_alone(blueprint: dict[str, Any]) -> None:
    for group in blueprint["envVarGroups"]:
        for variable in group["envVars"]:
            assert set(variable) == {"key", "value"}, "Render takes no fromService and no sync in a group"
            assert isinstance(variable["value"], str), f"{variable['key']} wants quotes"


def test_the_python_version_is_whole_and_supported(group: dict[str, str]) -> None:
    assert re.fullmatch(r"3\.1[1-4]\.\d+", group["PYTHON_VERSION"])


def test_no_secret_is_written_down(web: Service, worker: Service, group: dict[str, str]) -> None:
    assert not SECRETS & set(group)
    for variable in [*web["envVars"], *worker["envVars"]]:
        if variable.get("key") in SECRETS:
            assert "value" not in variable
            assert variable.get("sync") is False or variable.get("generateValue") or "fromService" in variable


def test_every_variable_is_one_the_program_reads(web: Service, worker: Service, group: dict[str, str]) -> None:
    keys = {variable["key"] for variable in [*web["envVars"], *worker["envVars"]] if "key" in variable}
    unknown = {name for name in keys | set(group) if name.lower() not in Settings.model_fields}
    assert unknown == {"PYTHON_VERSION"}


def test_the_group_makes_settings_of_redis_mode(group: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in group.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(_env_file=None)
    assert settings.use_redis
    assert settings.log_format == "json"


def test_a_process_may_drain_before_it_is_killed(web: Service, worker: Service, group: dict[str, str]) -> None:
    for service in (web, worker):
        assert float(group["DRAIN_TIMEOUT_SECONDS"]) < service["maxShutdownDelaySeconds"] <= 300
