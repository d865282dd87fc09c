"""The image and the composition, as far as they can be known without a Docker daemon."""

import json
import re
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from dotenv import dotenv_values
from support.servers import ServerFactory

from orchestrator.settings import Settings, load_settings

PACKAGES = ("orchestrator", "web", "workers")
CONFINED = (
    "NoNewPrivileges", "DynamicUser", "ProtectHome", "PrivateTmp", "PrivateDevices", "ProtectClock",
    "ProtectControlGroups", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables",
    "LockPersonality", "RemoveIPC", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "PrivateUsers",
)  # fmt: skip
"""Options of the systemd units that are on."""
MOST_EXPOSURE = 15
"""Tenths: what `systemd-analyze security` calls OK begins at 4.9, and an unconfined unit has 9.6."""


def rest_of(stage: list[Any], word: str) -> list[str]:
    return [instruction.rest for instruction in stage if instruction.word == word]


def test_what_the_image_copies_is_there_and_is_sent_to_the_builder(stages: list[list[Any]], repository: Path) -> None:
    sent = {line[1:] for line in (repository / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    copied = {source for rest in rest_of(stages[0], "COPY") for source in rest.split()[:-1]}
    assert copied == sent
    assert [name for name in copied if not (repository / name).exists()] == []
    assert set(PACKAGES) <= copied


def test_dependencies_are_a_layer_below_the_code(stages: list[list[Any]]) -> None:
    steps = [f"{instruction.word} {instruction.rest}" for instruction in stages[0]]
    assert steps.index("RUN pip install --requirement requirements.txt") < steps.index("COPY web ./web")


def test_the_image_runs_without_root_and_without_a_shell(stages: list[list[Any]]) -> None:
    final = stages[-1]
    assert rest_of(final, "USER")[-1] == "10001"
    assert json.loads(rest_of(final, "CMD")[-1]) == ["python", "-m", "web"]
    assert rest_of(final, "ENTRYPOINT") == []


def test_the_image_takes_nothing_from_the_build_but_the_installation(stages: list[list[Any]]) -> None:
    (copied,) = rest_of(stages[-1], "COPY")
    assert copied == "--from=build /opt/voiceagent /opt/voiceagent"


@pytest.mark.processes
def test_the_installed_packages_hold_their_scripts_and_pages(repository: Path, tmp_path: Path) -> None:
    """What the image runs is what `pip install .` made of the copied files."""
    leave_caches = shutil.ignore_patterns("__pycache__")
    for name in PACKAGES:
        shutil.copytree(repository / name, tmp_path / "source" / name, ignore=leave_caches)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(repository / name, tmp_path / "source")
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--no-index",
    ]
    subprocess.run(
        [*build, "--wheel-dir", tmp_path, "."],
        cwd=tmp_path / "source",
        check=True,
        capture_output=True,
        timeout=300,
    )
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    copied = tmp_path / "source"
    sources = {
        path.relative_to(copied).as_posix()
        for package in PACKAGES
        for path in (copied / package).rglob("*")
        if path.is_file()
    }
    assert held == sources


@pytest.mark.processes
def test_the_composition_is_valid(repository: Path) -> None:
    check = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "compose.yaml",
    ]
    result = subprocess.run(check, cwd=repository, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout


def test_app_and_worker_are_one_image_and_wait_for_redis(compose: dict[str, Any], procfile: dict[str, str]) -> None:
    app, worker = compose["services"]["app"], compose["services"]["worker"]
    assert app["image"] == worker["image"]
    assert " ".join(worker["command"]) == procfile["worker"]
    for service in (app, worker):
        assert service["depends_on"]["redis"]["condition"] == "service_healthy"


@pytest.mark.parametrize("service", ["app", "worker"])
def test_the_composition_wins_over_an_example_environment_that_is_in_force(
    service: str, compose: dict[str, Any], repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = compose["services"][service]["environment"]
    assert {name for name in environment if name.lower() not in Settings.model_fields} == set()
    example = re.sub(r"^#([A-Z])", r"\1", (repository / ".env.example").read_text(), flags=re.MULTILINE)
    for name, value in {**dotenv_values(stream=StringIO(example)), **environment}.items():
        monkeypatch.setenv(name, value or "")
    settings = load_settings(_env_file=None)
    assert settings.use_redis
    assert settings.effective_redis_url() == "redis://redis:6379/0"
    assert (settings.host, settings.port) == ("0.0.0.0", 8000)


@pytest.mark.parametrize("name", ["app", "worker", "proxy", "redis"])
def test_no_container_can_write_elsewhere_or_gain_a_privilege(compose: dict[str, Any], name: str) -> None:
    service = compose["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(place.partition(":")[0] == "/tmp" for place in service["tmpfs"])
    assert service.get("cap_add", []) == (["NET_BIND_SERVICE"] if name == "proxy" else [])
    assert not service.get("privileged")
    assert {"pid", "ipc", "network_mode", "devices", "userns_mode"} & service.keys() == set()
    assert not any("docker.sock" in volume for volume in service.get("volumes", []))


def test_redis_does_not_run_as_root(compose: dict[str, Any]) -> None:
    assert compose["services"]["redis"]["user"] == "redis"


def test_the_image_brings_no_way_to_become_root(stages: list[list[Any]]) -> None:
    final = stages[-1]
    assert all("apt-get" not in rest and "chmod" not in rest for rest in rest_of(final, "RUN"))
    assert [rest for rest in rest_of(final, "RUN") if "nologin" in rest]
    assert rest_of(final, "COPY") == ["--from=build /opt/voiceagent /opt/voiceagent"]  # and not with --chown


def test_a_container_may_drain_before_it_is_killed(compose: dict[str, Any]) -> None:
    drain = Settings.model_fields["drain_timeout_seconds"].default
    for service in ("app", "worker"):
        assert float(compose["services"][service]["stop_grace_period"].removesuffix("s")) > drain


def test_redis_is_kept_on_a_volume_and_reached_from_this_machine_alone(compose: dict[str, Any]) -> None:
    redis = compose["services"]["redis"]
    assert redis["ports"] == ["127.0.0.1:6379:6379"]
    assert redis["volumes"] == ["redis-data:/data"]
    assert "redis-data" in compose["volumes"]


def test_every_image_is_pinned_to_a_version(compose: dict[str, Any], repository: Path) -> None:
    images = [service["image"] for service in compose["services"].values() if "build" not in service]
    assert [image for image in images if not re.search(r":\d+\.\d+\.\d+(-\w+)?$", image)] == []
    python = re.search(r"^ARG PYTHON_VERSION=(.*)$", (repository / "Dockerfile").read_text(), re.MULTILINE)
    assert python is not None
    assert re.fullmatch(r"\d+\.\d+\.\d+", python[1])


def test_both_programs_can_be_scaled_and_have_an_init(compose: dict[str, Any]) -> None:
    for name in ("app", "worker"):
        assert compose["services"][name]["init"] is True
        assert "ports" not in compose["services"][name]  # two copies cannot have one port of the host
        assert "container_name" not in compose["services"][name]
    (published,) = compose["services"]["proxy"]["ports"]
    assert published == "8000:8000"


def test_the_proxy_closes_idle_connections_before_web_does(repository: Path) -> None:
    caddyfile = (repository / "deploy" / "Caddyfile").read_text()
    kept = re.search(r"keepalive (\d+)s", caddyfile)
    assert kept is not None
    assert int(kept[1]) < Settings.model_fields["keep_alive_seconds"].default


@pytest.mark.parametrize(("name", "module"), [("web", "web"), ("worker", "workers")])
def test_the_systemd_units_drain_and_are_confined(repository: Path, name: str, module: str) -> None:
    unit = ConfigParser(strict=False, interpolation=None, inline_comment_prefixes=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(repository / "deploy" / f"voiceagent-{name}.service")
    service = unit["Service"]
    assert service["ExecStart"].endswith(f"python -m {module}")
    assert int(service["TimeoutStopSec"]) > Settings.model_fields["drain_timeout_seconds"].default
    assert service["Restart"] == "always"
    for option in CONFINED:
        assert service[option] == "yes", option
    assert service["ProtectSystem"] == "strict"
    assert service["ProtectProc"] == "invisible"
    assert service["ProcSubset"] == "pid"
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == ""
    assert service["SystemCallArchitectures"] == "native"
    assert set(service["RestrictAddressFamilies"].split()) == {"AF_INET", "AF_INET6", "AF_UNIX"}
    assert service["UMask"] == "0077"


@pytest.mark.processes
@pytest.mark.parametrize("name", ["web", "worker"])
def test_systemd_finds_the_units_well_confined(repository: Path, name: str) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    check = [program, "security", "--offline=true", f"--threshold={MOST_EXPOSURE}", "--no-pager"]
    unit = repository / "deploy" / f"voiceagent-{name}.service"
    found = subprocess.run([*check, unit], capture_output=True, text=True, timeout=60, check=False)
    if "unrecognized option" in found.stderr:
        pytest.skip("systemd-analyze is older than 250")
    assert found.returncode == 0, found.stdout[-1500:]


def test_the_options_of_redis_mean_that_nothing_acknowledged_is_lost(
    compose: dict[str, Any], start_redis: ServerFactory
) -> None:
    server = start_redis(*compose["services"]["redis"]["command"][1:])
    client = server.client()
    assert client.config_get("appendonly", "maxmemory-policy") == {
        "appendonly": "yes", "maxmemory-policy": "noeviction",
    }  # fmt: skip
    client.close()
