"""The deployment of `voiceagent chaos --start`: Redis, web in two processes, and two workers, in their own directory.

It takes no setting but the agent's: whatever else is set here may belong to a deployment with callers.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from orchestrator.chaos import agent
from orchestrator.cli import simulated_provider
from orchestrator.cli.dev import answers, free_port, local_url
from orchestrator.cli.embedded import EmbeddedServer
from orchestrator.cli.program import CannotStart, Program, RestartTimings
from orchestrator.cli.supervisor import Supervisor
from orchestrator.errors import VoiceAgentError
from orchestrator.settings import Settings, given_variables, load_settings
from orchestrator.settings.otel import OtelSettings

Channel = Literal["gather", "relay"]
WORKERS = ("worker.1", "worker.2")
WEB_PROCESSES = 2
READY_SECONDS = 60.0
KEPT_SECONDS = 3600
"""Calls that have ended are kept for so much longer than the run lasts."""
AGENTS_OWN = ("agent_", "llm_")
"""How the settings begin that are passed on to an agent of one's own."""
HOST = "127.0.0.1"


class NotStarted(VoiceAgentError):
    """The deployment did not start. The message says where its log is."""


async def run_on_own(args: argparse.Namespace, attack: Callable[[str, Settings], Awaitable[int]]) -> int:
    """Start the deployment, run `attack` on it, and stop it. Return what `attack` returns.

    The directory with the log of all processes is kept when something was found.
    """
    directory = Path(tempfile.mkdtemp(prefix="voiceagent-chaos-"))
    code = 1
    try:
        code = await _run(args, directory, attack)
    finally:
        if code != 1:
            shutil.rmtree(directory, ignore_errors=True)
        else:
            print(f"The log of all processes is in {directory}/log", file=sys.stderr)
    return code


async def _run(args: argparse.Namespace, directory: Path, attack: Callable[[str, Settings], Awaitable[int]]) -> int:
    port = free_port(HOST, 0)
    server = EmbeddedServer(directory / "redis")
    given = load_settings()
    channel: Channel = args.channel or "gather"
    async with AsyncExitStack() as stack:
        log = stack.enter_context((directory / "log").open("w", buffering=1))

        def note(name: str, line: str) -> None:
            print(f"{name:<8} │ {line}", file=log)

        provider = await simulated_provider.start(stack, port, lambda text: note("provider", text))
        variables = {
            "USE_REDIS": "true", "REDIS_URL": server.url, "HOST": HOST, "PORT": str(port),
            "WEB_PROCESSES": str(WEB_PROCESSES), "AGENT": _agent(given), "PYTHONUNBUFFERED": "1",
            "VOICE_CHANNEL": channel,
            "ENDED_CALL_TTL_SECONDS": str(int(args.seconds) + KEPT_SECONDS), "PYTHONPATH": _import_path(),
            **(simulated_provider.environment(provider, given) if provider is not None else {}),
        }  # fmt: skip
        environment = _environment() | variables
        await server.take()
        stack.callback(server.close)
        supervisor = Supervisor(note, lambda text: note("chaos", text), _restarts())
        stages = [
            ([server.program()], server.ready),
            ([_python(name, "workers", environment, directory) for name in WORKERS], None),
            ([_python("web", "web", environment, directory)], lambda: _ready(port)),
        ]
        try:
            async with supervisor.running(stages):
                return await attack(local_url(HOST, port), _settings(server.url, port, channel))
        except CannotStart as error:
            raise NotStarted(str(error)) from None


def _agent(given: Settings) -> str:
    """Return the agent: one's own if one is set, else the one whose answers can be checked."""
    return given.agent if "agent" in given.model_fields_set else agent.NAME


def _environment() -> dict[str, str]:
    """Return the variables of here, also those of .env, without the settings but for those of the agent."""
    names = {*Settings.model_fields, *OtelSettings.model_fields}
    left_out = {name for name in names if not name.startswith(AGENTS_OWN)}
    return {name: value for name, value in given_variables().items() if name.lower() not in left_out}


def _import_path() -> str:
    """Return where modules are found: the processes run elsewhere, so that they do not read the .env of here."""
    return os.pathsep.join([str(Path.cwd()), *filter(None, [given_variables().get("PYTHONPATH")])])


def _settings(redis_url: str, port: int, channel: Channel) -> Settings:
    """Return the settings of the deployment, for those who attack it."""
    return Settings.model_construct(
        use_redis=True, redis_url=SecretStr(redis_url), host=HOST, port=port, voice_channel=channel
    )


def _restarts() -> RestartTimings:
    """Return when a program starts again: soon, and however often."""
    return RestartTimings(first_pause=0.2, longest_pause=2.0, most_failed_starts=100, most_kills=sys.maxsize)


def _python(name: str, module: str, environment: Mapping[str, str], directory: Path) -> Program:
    return Program(name, [sys.executable, "-m", module], environment, grace_seconds=30, directory=directory)


async def _ready(port: int) -> None:
    if not await answers(f"{local_url(HOST, port)}/readyz", READY_SECONDS):
        raise NotStarted(f"The deployment was not ready within {READY_SECONDS:g} s.")
