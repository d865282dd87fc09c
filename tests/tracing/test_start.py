"""Whether traces are made, and what a process imports for them."""

import subprocess
import sys
from pathlib import Path

import pytest
from support.program import clean_environment

pytestmark = pytest.mark.processes

TURN = """
import asyncio, sys
from orchestrator import tracing
from orchestrator.dispatch.opening import open_runtime
from orchestrator.conversation.turn import Turn
from orchestrator.settings import load_settings
import web.app, workers.program

async def main():
    settings = load_settings()
    tracing.start(settings, "web")
    async with open_runtime(settings) as runtime:
        turn = Turn(turn_id="t1", call_sid="C1", kind="started")
        pending = await runtime.dispatcher.submit(turn, opening={"channel": "api"})
        assert (await pending.wait(60)).outcome == "replied"
        assert pending.turn.model_dump().get("traceparent") is None
    tracing.stop()

asyncio.run(main())
print(*sorted(name for name in sys.modules if name.split(".")[0] in ("opentelemetry", "requests", "google")))
"""
URL = "http://127.0.0.1:9"


def run(tmp_path: Path, *command: str, **settings: str) -> "subprocess.CompletedProcess[str]":
    environment = clean_environment(**{"AGENT": "echo", "USE_REDIS": "false", **settings})
    return subprocess.run(
        [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize("settings", [{}, {"OTEL_EXPORTER_OTLP_ENDPOINT": URL, "OTEL_SDK_DISABLED": "true"}])
def test_nothing_of_opentelemetry_is_imported_while_traces_are_off(tmp_path: Path, settings: dict[str, str]) -> None:
    repository = str(Path(__file__).parents[2])
    done = run(tmp_path, "-c", TURN, PYTHONPATH=repository, **settings)
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr


@pytest.mark.parametrize("module", ["web", "workers"])
def test_without_the_extra_a_process_says_what_to_install(tmp_path: Path, module: str) -> None:
    (tmp_path / "opentelemetry").mkdir()
    (tmp_path / "opentelemetry" / "__init__.py").touch()  # in place of the installed one, and without its parts
    settings = {"USE_REDIS": "true"} if module == "workers" else {}
    done = run(tmp_path, "-m", module, PYTHONPATH=str(tmp_path), OTEL_EXPORTER_OTLP_ENDPOINT=URL, PORT="0", **settings)
    assert done.returncode == 2, done.stderr
    complaint = done.stderr.strip().splitlines()[-1]
    assert complaint.startswith("OTEL_EXPORTER_OTLP_ENDPOINT is set")
    assert "extra `otel`" in complaint
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("module", ["web", "workers"])
def test_a_bad_value_stops_a_process_at_start(tmp_path: Path, module: str) -> None:
    settings = {"USE_REDIS": "true"} if module == "workers" else {}
    done = run(tmp_path, "-m", module, OTEL_EXPORTER_OTLP_PROTOCOL="grpc", PORT="0", **settings)
    assert done.returncode == 2
    assert done.stderr.strip().splitlines()[-1] == ("OTEL_EXPORTER_OTLP_PROTOCOL: got 'grpc'; it must be http/protobuf")
