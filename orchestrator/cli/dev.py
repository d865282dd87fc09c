"""Answer calls here: web, workers and an embedded Redis in one terminal, with one log.

Without settings it starts a Redis of its own, whose data stay in .voiceagent. REDIS_URL or REDIS_HOST names
another one; USE_REDIS=false uses no Redis and no workers. Without a provider in the settings it simulates one's REST
API, on loopback: text messages are shown instead of sent, and signals reach calls of `voiceagent call` at once. Ctrl-C
stops everything.
"""

import argparse
import asyncio
import os
import secrets
import socket
import sys
from contextlib import AsyncExitStack, suppress

from orchestrator.cli import simulated_provider
from orchestrator.cli.colors import Colors
from orchestrator.cli.embedded import EmbeddedServer, readable
from orchestrator.cli.numbers import count, port
from orchestrator.cli.output import Output
from orchestrator.cli.program import Program
from orchestrator.cli.supervisor import Stage, Supervisor
from orchestrator.errors import VoiceAgentError
from orchestrator.settings import Settings, load_settings

NAME_WIDTH = 8
COLOURS = {"web": "cyan", "worker": "green", "valkey": "magenta", "provider": "blue", "dev": "yellow"}
READY_SECONDS = 20
POLL_SECONDS = 0.1


class PortTaken(VoiceAgentError):
    """The port is taken by another program. Stop that one, or choose another port."""


EXIT_CODES = {
    0: "everything stopped cleanly",
    1: "something could not start",
    130: "a second Ctrl-C: what still ran was killed",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent dev`."""
    parser.add_argument("--workers", type=count, default=2, metavar="N", help="how many workers (default: %(default)s)")
    parser.add_argument("--port", type=port, help="where web listens (default: PORT, or 8000)")


def run(args: argparse.Namespace) -> int:
    """Run until a signal. Return 0 when everything stopped cleanly."""
    overrides = {} if args.port is None else {"port": args.port}
    return asyncio.run(Development(load_settings(**overrides), args.workers).run())


class Development:
    """Web, workers and the server they share, as the settings configure them."""

    def __init__(self, settings: Settings, workers: int) -> None:
        self._settings = settings
        self._workers = workers
        self._port = settings.port
        self._colors = Colors(sys.stdout)
        self._output = Output(sys.stdout)
        given = settings.model_fields_set
        self._in_memory = "use_redis" in given and not settings.use_redis
        self._embedded = not (self._in_memory or given & {"redis_url", "redis_host"})
        self._made_key = _key_for(settings)
        self._provider_url: str | None = None

    async def run(self) -> int:
        """Start everything, print how to call, and run until a signal."""
        try:
            return await self._run()
        finally:
            self._output.close()

    async def _run(self) -> int:
        self._port = free_port(self._settings.host, self._settings.port)
        environment = dict(os.environ) | {
            "PORT": str(self._port),
            "USE_REDIS": "false" if self._in_memory else "true",
            "LOG_FORMAT": "text",
            "WEB_PROCESSES": "1",
            "PYTHONUNBUFFERED": "1",
        }
        if self._made_key is not None:
            environment["API_KEY"] = self._made_key
        async with AsyncExitStack() as stack:
            if simulated_provider.is_wanted(self._settings):
                self._provider_url = await simulated_provider.start(
                    stack, self._port, lambda text: self._log("provider", text)
                )
            if self._provider_url is not None:
                environment |= simulated_provider.environment(self._provider_url, self._settings)
            return await self._run_with(environment)

    async def _run_with(self, environment: dict[str, str]) -> int:
        if not self._embedded:
            return await self._supervise([], environment)

        server = EmbeddedServer()
        try:
            await server.take()
            environment["REDIS_URL"] = server.url
            return await self._supervise([([server.program()], server.ready)], environment)
        finally:
            server.close()

    async def _supervise(self, stages: list[Stage], environment: dict[str, str]) -> int:
        grace = self._settings.drain_timeout_seconds + 5
        if not self._in_memory:
            names = [f"worker.{number}" for number in range(1, self._workers + 1)]
            stages.append(([_python(name, "workers", environment, grace) for name in names], None))
        stages.append(([_python("web", "web", environment, grace)], None))
        supervisor = Supervisor(self._log, lambda text: self._log("dev", text))
        self._log("dev", "starting " + ", ".join(program.name for stage, _ in stages for program in stage))
        code = await supervisor.run(stages, self._welcome)
        self._log("dev", "stopped" if code == 0 else "stopped; not everything went well")
        return code

    def _log(self, name: str, line: str) -> None:
        if name == "valkey":
            line = readable(line)
        if line:
            colour = COLOURS[name.partition(".")[0]]
            over_echo = "\r" if name == "dev" and sys.stdout.isatty() else ""  # of ^C
            self._output.line(over_echo + self._colors(f"{name:<{NAME_WIDTH}} │ ", colour) + line)

    async def _welcome(self) -> None:
        """Print where to call once the server answers."""
        url = local_url(self._settings.host, self._port)
        await answers(f"{url}/livez")
        ready = self._in_memory or await answers(f"{url}/readyz", READY_SECONDS)
        for line in self._greeting(url, ready):
            self._output.line(line)

    def _greeting(self, url: str, ready: bool) -> list[str]:
        bold = self._colors("VoiceAgent answers calls." if ready else "No worker is ready yet.", "bold")
        other_port = "" if self._port == 8000 else f" {url}"
        lines = [
            ("Talk to it", f".venv/bin/voiceagent call{other_port}   (in a second terminal)"),
            *self._by_phone(),
            *self._by_simulation(),
            ("Watch", f"{url}/dashboard   {url}/health/detailed"),
            *self._by_key(),
            ("State", self._where_the_state_is()),
            ("Stop", "Ctrl-C"),
        ]
        return ["", f"  {bold}", "", *(f"  {self._colors(f'{name:<12}', 'dim')}{text}" for name, text in lines), ""]

    def _by_phone(self) -> list[tuple[str, str]]:
        public = self._settings.public_base_url
        webhook = f"{(public or 'https://YOUR-HOST').rstrip('/')}/twilio/voice"
        tunnel = f"open port {self._port} to the internet with a tunnel, and set TWILIO_AUTH_TOKEN and"
        exposing = [] if public else [("", tunnel), ("", "PUBLIC_BASE_URL=https://YOUR-HOST")]
        return [("By phone", f"your Twilio number's webhook is  POST {webhook}"), *exposing]

    def _by_simulation(self) -> list[tuple[str, str]]:
        if self._provider_url is None:
            return []
        return [("Provider", f"simulated at {self._provider_url}: text messages are shown here, and not sent")]

    def _by_key(self) -> list[tuple[str, str]]:
        """Others can reach this server, so the dashboard and the API require a key: print the generated one, if none is
        set."""
        if self._made_key is None:
            return []
        return [("Key", f"API_KEY={self._made_key}   (of this run; set one of your own to keep it)")]

    def _where_the_state_is(self) -> str:
        if self._in_memory:
            return "in the memory of web (USE_REDIS=false): calls end with it"
        return "in the embedded Valkey, kept in .voiceagent" if self._embedded else "in the Redis of your settings"


def _key_for(settings: Settings) -> str | None:
    """Return a new key if others can reach this server and none is set, else None."""
    needs_one = settings.has_public_url and not settings.has_api_key and not settings.is_production
    return secrets.token_urlsafe(32) if needs_one else None


def free_port(host: str | None, port: int) -> int:
    """Return `port` if web can listen there (0: any free one). Raise `PortTaken`."""
    address = host or "127.0.0.1"
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} at {address} cannot be had ({error.strerror}). "
                f"Stop the program that uses it, or choose another: PORT={port + 1} make run"
            ) from None
        return int(probe.getsockname()[1])


def local_url(host: str | None, port: int) -> str:
    """Return the URL of web on this machine."""
    reached = "127.0.0.1" if host in (None, "", "0.0.0.0", "::") else str(host)
    return f"http://[{reached}]:{port}" if ":" in reached else f"http://{reached}:{port}"


async def answers(url: str, timeout_seconds: float | None = None) -> bool:
    """True if `url` answers 2xx within the time; None waits without a limit."""
    import httpx

    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds), httpx.AsyncClient(trust_env=False, timeout=5) as client:
            while True:
                with suppress(httpx.TransportError):
                    if (await client.get(url)).is_success:
                        return True
                await asyncio.sleep(POLL_SECONDS)
    return False


def _python(name: str, module: str, environment: dict[str, str], grace_seconds: float) -> Program:
    return Program(name, [sys.executable, "-m", module], environment, grace_seconds)
