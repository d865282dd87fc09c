"""Makes the pictures of the dashboard in docs/pictures from a real run: `make pictures`.

It starts a deployment of its own (Redis, PostgreSQL if it is installed, web, workers of two versions), lets callers
talk to the receptionist, kills a worker and freezes another, and makes a picture of each view: on a desktop and a
phone, light and dark. It wants Chromium. Nobody's words are in them: the callers are ours.
"""

import argparse
import asyncio
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from palette import with_palette
from support.browser import Browser, open_browser
from support.postgres import PostgresServer, installed
from support.servers import RedisServer, die_with_parent, free_port

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "docs" / "pictures"
MOST_BYTES = 120_000
NEW, OLD = "2026.11.4", "2026.11.3"
FROZEN_SECONDS = 12
LOST_SECONDS = 25
"""Whoever is killed is known as lost by then."""
LINES = (
    "I need an appointment about my {what}. I'm {name}, 555 123 {digits}.",
    "yes, I was there in May",
    "the second one",
    "yes",
    "no thanks, bye",
)
NAMES = ("Ada Lovelace", "Grace Hopper", "Alan Turing", "Edsger Dijkstra", "Barbara Liskov", "Radia Perlman")
TROUBLES = ("knee", "back", "left ear", "eyes", "shoulder")
SHAPES = {"desktop": (1360, 850), "phone": (390, 844)}
VIEWS = {
    "calls": ("#/calls", ".callrow"),
    "call": ("#/calls/{sid}", ".transcript li:nth-child(4)"),
    "history": ("#/history", ".chart canvas"),
    "archive": ("#/archive", ".record, .howto"),
    "operations": ("#/operations", ".part .row-of"),
    "incidents": ("#/incidents", ".incident"),
}


def program(*command: str, environment: dict[str, str], log: Any) -> "subprocess.Popen[bytes]":
    """Start a program of ours, which ends with us."""
    return subprocess.Popen(
        [sys.executable, "-m", *command], env={**os.environ, **environment}, cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=log, stderr=log, preexec_fn=die_with_parent,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def deployment(directory: Path) -> AsyncIterator[str]:
    """Web and workers of two versions, which are restarted when they end; the URL."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((directory / "log").open("wb"))
        redis = RedisServer().start()
        stack.callback(redis.stop)
        port = free_port()
        environment = {
            "USE_REDIS": "true", "REDIS_URL": redis.url, "PORT": str(port), "HOST": "127.0.0.1",
            "AGENT": "receptionist", "WORKER_VERSION": OLD,
            "EVENTS_ALLOW_PRIVATE": "true", "EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{free_port()}/events",
            "EVENTS_WEBHOOK_SECRET": "whsec_" + "cGljdHVyZXMgb2YgdGhlIGRhc2hib2FyZCE=",
        }  # fmt: skip
        if installed():
            postgres = stack.enter_context(PostgresServer())
            environment["EVENTS_DATABASE_URL"] = postgres.dsn
            migration = program("orchestrator.cli.main", "records", "migrate", environment=environment, log=log)
            if migration.wait(60):
                raise SystemExit((directory / "log").read_text())
        development = program("orchestrator.cli.main", "dev", environment=environment, log=log)
        stack.callback(development.wait)
        stack.callback(development.terminate)
        other = program("workers", environment={**environment, "WORKER_VERSION": NEW}, log=log)
        stack.callback(other.wait)
        stack.callback(other.terminate)
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url) as client:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    found = (await client.get("/processes")).json()
                    if len([it for it in found.get("processes", []) if it["role"] == "worker"]) >= 3:
                        break
                await asyncio.sleep(0.5)
            else:
                raise SystemExit(f"It did not start: {(directory / 'log').read_text()[-4000:]}")
        yield url


async def caller(url: str, number: int, log: Any) -> None:
    """Call again and again, with pauses as a person makes them."""
    chance = random.Random(number)
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "orchestrator.cli.main", "call", url, "--no-timeouts",
            "--from", f"+1555867{chance.randrange(1000, 9999)}", cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=log,
            stderr=log, preexec_fn=die_with_parent,
        )  # fmt: skip
        assert process.stdin is not None
        try:
            for line in LINES:
                await asyncio.sleep(chance.uniform(3, 14))
                text = line.format(
                    what=chance.choice(TROUBLES), name=chance.choice(NAMES), digits=chance.randrange(1000, 9999)
                )
                process.stdin.write(f"{text}\n".encode())
                with contextlib.suppress(ConnectionError):
                    await process.stdin.drain()
            process.stdin.close()
            await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def trouble(url: str) -> None:
    """Ramp a version, kill a worker, and freeze another for a while."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        for command, fields in (("promote", {"version": OLD}), ("ramp", {"version": NEW, "percent": 10})):
            (await client.post(f"/rollout/{command}", json=fields)).raise_for_status()
        processes = (await client.get("/processes")).json()["processes"]
    pids = [it["pid"] for it in processes if it["role"] == "worker" and it["version"] == OLD]
    os.kill(pids[0], signal.SIGKILL)
    await asyncio.sleep(LOST_SECONDS)
    os.kill(pids[1], signal.SIGSTOP)
    try:
        await asyncio.sleep(FROZEN_SECONDS)
    finally:
        os.kill(pids[1], signal.SIGCONT)
    await asyncio.sleep(LOST_SECONDS)


async def photograph(browser: Browser, url: str, directory: Path) -> None:
    """Make a picture of each view, in each shape and scheme."""
    async with httpx.AsyncClient(base_url=url, timeout=30) as client:
        calls = (await client.get("/calls")).json()["calls"]
    longest = max(calls, key=lambda call: call["turns"])["call_sid"]
    for name, (place, shown) in VIEWS.items():
        for shape, (width, height) in SHAPES.items():
            await browser.resize(width, height, phone=shape == "phone")
            for scheme in ("light", "dark"):
                await browser.prefer(scheme)
                await browser.visit("about:blank")
                await browser.visit(f"{url}/dashboard{place.format(sid=longest)}")
                await browser.until(f"document.querySelector('{shown}') !== null", f"{name} is shown")
                if name == "incidents":
                    await browser.eval(
                        "document.querySelector('.incident details:not([hidden])')?.setAttribute('open', '')"
                    )
                await asyncio.sleep(2)  # fonts, charts and the first updates
                picture = directory / f"{name}-{shape}-{scheme}.png"
                await browser.picture(picture)
                keep(picture)


def keep(picture: Path) -> None:
    """Put a picture where the documentation has it, with few colours."""
    kept = PLACE / picture.name
    kept.write_bytes(with_palette(picture.read_bytes()))
    size = kept.stat().st_size
    print(f"{kept.relative_to(ROOT)}: {size / 1000:.0f} kB", flush=True)
    if size > MOST_BYTES:
        raise SystemExit(f"{kept} is larger than {MOST_BYTES / 1000:.0f} kB.")


async def main(minutes: float, callers: int) -> None:
    """Run for some minutes, then make the pictures."""
    PLACE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="voiceagent-pictures-") as name:
        directory = Path(name)
        with (directory / "calls").open("wb") as log:
            async with deployment(directory) as url:
                print(f"Runs at {url}/dashboard", flush=True)
                tasks = [asyncio.create_task(caller(url, number, log)) for number in range(callers)]
                try:
                    await asyncio.sleep(minutes * 60)
                    await trouble(url)
                    async with open_browser() as browser:
                        await photograph(browser, url, directory)
                finally:
                    for task in tasks:
                        task.cancel()
                    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20, help="how long callers talk before (default: %(default)g)")
    parser.add_argument("--callers", type=int, default=8, help="how many at once (default: %(default)s)")
    given = parser.parse_args()
    asyncio.run(main(given.minutes, given.callers))
