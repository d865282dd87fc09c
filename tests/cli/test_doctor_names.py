"""`voiceagent doctor` and the variables that nobody reads."""

import json
from typing import Any

import pytest
from support.servers import free_port
from support.terminal import run_script

from orchestrator.doctor.configuration import judge_settings
from orchestrator.doctor.names import judge_names
from orchestrator.settings import Settings


@pytest.mark.processes
async def test_a_name_that_nobody_reads_is_pointed_out(redis_server, tmp_path) -> None:
    (tmp_path / ".env").write_text("PUBLIC_BASEURL=https://calls.example.com\n")
    code, output, _ = await run_script(
        "doctor", "--json", "--url", f"http://127.0.0.1:{free_port()}", cwd=tmp_path,
        settings={"USE_REDIS": "true", "REDIS_URL": redis_server.url, "TWILIO_AUTHTOKEN": "hush"},
    )  # fmt: skip
    said = {finding["message"]: finding["advice"] for finding in json.loads(output)["findings"]}
    assert said["TWILIO_AUTHTOKEN is set, and nobody reads it."] == "Call it TWILIO_AUTH_TOKEN if you mean that."
    assert said["PUBLIC_BASEURL is set, and nobody reads it."] == "Call it PUBLIC_BASE_URL if you mean that."
    assert code != 0
    assert "hush" not in output


@pytest.mark.parametrize(("name", "meant"), [
    ("TWILIO_AUTHTOKEN", "TWILIO_AUTH_TOKEN"), ("TWILLIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN"), ("REDISURL", "REDIS_URL"),
    ("TWILIO_AUTH", "TWILIO_AUTH_TOKEN"), ("TWILIO_PHONE_NUMBER", "TWILIO_FROM_NUMBER"),
    ("STATE_TTL", "STATE_TTL_SECONDS"),
    ("twilio_auth_tokn", "TWILIO_AUTH_TOKEN"), ("APIKEY", "API_KEY"), ("ENVIROMENT", "ENVIRONMENT"),
])  # fmt: skip
def test_a_name_like_ours_is_told_from_it(name: str, meant: str) -> None:
    (finding,) = judge_names({name: "hush"})
    assert (finding.level, finding.advice) == ("warning", f"Call it {meant} if you mean that.")
    (finding,) = judge_names({name: "hush", meant: "hush"})
    assert finding.level == "note"


@pytest.mark.parametrize("name", [
    "TWILIO_AUTH_TOKEN", "twilio_auth_token", "HOSTNAME", "LOGNAME", "PATH", "PYTHON_VERSION", "RENDER_SERVICE_ID",
    "OPENAI_API_KEY",
    "TWILIO_API_KEY", "TWILIO_API_SECRET", "REDIS_SERVICE_HOST", "REDIS_PORT_6379_TCP_ADDR", "SSH_AGENT_PID",
    "WEB_CONCURRENCY",
])  # fmt: skip
def test_names_of_others_are_left_alone(name: str) -> None:
    assert list(judge_names({name: "x"})) == []


def test_a_service_link_of_kubernetes_is_explained() -> None:
    (finding,) = judge_names({"REDIS_PORT": "tcp://10.96.0.7:6379"})
    assert (finding.level, "enableServiceLinks" in finding.advice) == ("note", True)
    assert "10.96" not in finding.message + finding.advice


@pytest.mark.parametrize(("settings", "says"), [
    ({"max_active_calls": 10, "api_max_active_calls": 10}, "API_MAX_ACTIVE_CALLS"),
    ({"dial_allow": "+46,+"}, "DIAL_ALLOW"),
])  # fmt: skip
def test_settings_that_let_one_key_do_too_much_are_pointed_out(settings: dict[str, Any], says: str) -> None:
    found = [finding for finding in judge_settings(Settings(_env_file=None, **settings)) if says in finding.message]
    assert [finding.level for finding in found] == ["note"]
    assert not [finding for finding in judge_settings(Settings(_env_file=None)) if says in finding.message]
