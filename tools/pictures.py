"""Makes the pictures of the dashboard in docs/pictures from a real run: `make pictures`.

It starts a deployment of its own (Redis, PostgreSQL if it is installed, web, workers of two versions), lets callers
talk to the receptionist, breaks processes with `voiceagent chaos`, and makes a picture of each view: on a desktop and
a phone, light and dark. It wants Chromium. Nobody's words are in them: the callers are ours.
"""

import argparse
import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
from palette import with_palette
from reception import PREFIX, receive
from support.browser import Browser, open_browser
from support.postgres import PostgresServer, installed
from support.servers import RedisServer, die_with_parent, free_port

ROOT = Path(__file__).parents[1]
PLACE = ROOT / "docs" / "pictures"
MOST_BYTES = 120_000
NEW, OLD = "2026.11.4", "2026.11.3"
CHAOS = ("--kinds", "kill,freeze", "--every", "9", "--seconds", "40", "--calls", "1", "--seed", "5")
PATIENCE_SECONDS = 90
TOLD_TURNS = 4
"""A call that has so many turns is worth a picture."""
SHAPES = {"desktop": (1360, 850), "phone": (390, 844)}
VIEWS = {
    "calls": ("#/calls", ".callrow"),
    "call": ("#/calls/{sid}", ".transcript li:nth-child(4)"),
    "history": ("#/history", ".chart canvas"),
    "archive": ("#/archive", ".record, .howto"),
    "operations": ("#/operations", ".part .row-of"),
    "incidents": ("#/incidents", ".incident"),
}

OPEN = f"""
document.querySelector('.incident details:not([hidden])')?.setAttribute('open', '');
const ended = [...document.querySelectorAll('[data-status=completed] .record')];
if (innerWidth > 960) ended.find((one) => one.innerText.startsWith('{PREFIX}'))?.click();
"""
"""What opens the calls that noticed the latest incident, and beside the list of records one of them."""


def program(*command: str, environment: dict[str, str], log: Any) -> "subprocess.Popen[bytes]":
    """Start a program of ours, which ends with us."""
    return subprocess.Popen(
        [sys.executable, "-m", *command], env={**os.environ, **environment}, cwd=ROOT, stdin=subprocess.DEVNULL,
        stdout=log, stderr=log, preexec_fn=die_with_parent,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def deployment(directory: Path) -> AsyncIterator[dict[str, str]]:
    """Web and workers of two versions, which are restarted when they end; their settings."""
    with contextlib.ExitStack() as stack:
        log = stack.enter_context((directory / "log").open("wb"))
        redis = RedisServer().start()
        stack.callback(redis.stop)
        environment = {
            "USE_REDIS": "true", "REDIS_URL": redis.url, "PORT": str(free_port()), "HOST": "127.0.0.1",
            "AGENT": "receptionist", "WORKER_VERSION": OLD,
            "EVENTS_ALLOW_PRIVATE": "true", "EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{free_port()}/events",
            "EVENTS_WEBHOOK_SECRET": "whsec_" + "cGljdHVyZXMgb2YgdGhlIGRhc2hib2FyZCE=",
        }  # fmt: skip
        if installed():
            postgres = stack.enter_context(PostgresServer())
            environment["EVENTS_DATABASE_URL"] = postgres.dsn
            migration = program("orchestrator.cli.main", "records", "migrate", environment=environment, log=log)
            if migration.wait(PATIENCE_SECONDS):
                raise SystemExit((directory / "log").read_text())
        development = program("orchestrator.cli.main", "dev", environment=environment, log=log)
        stack.callback(development.wait)
        stack.callback(development.terminate)
        yield environment


async def supervise_newer(environment: dict[str, str]) -> None:
    """Have a worker of the new version, whatever happens to it, until cancelled."""
    while True:
        worker = program("workers", environment={**environment, "WORKER_VERSION": NEW}, log=subprocess.DEVNULL)
        try:
            await asyncio.to_thread(worker.wait)
        finally:
            worker.terminate()


async def until(what: str, client: httpx.AsyncClient, path: str, found: Callable[[Any], Any]) -> Any:
    """Ask until `found` returns something for the answer, and return that."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError, KeyError):
            if result := found((await client.get(path)).json()):
                return result
        await asyncio.sleep(0.5)
    raise SystemExit(f"{what}: not within {PATIENCE_SECONDS} s")


async def ramp(client: httpx.AsyncClient) -> None:
    """Give some of the calls to the new version, once workers of both are there."""
    await until(
        "workers of both versions", client, "/processes",
        lambda told: len([it for it in told["processes"] if it["role"] == "worker"]) >= 3,
    )  # fmt: skip
    for command, fields in (("promote", {"version": OLD}), ("ramp", {"version": NEW, "percent": 10})):
        (await client.post(f"/rollout/{command}", json=fields)).raise_for_status()


def told_call(told: Any) -> str | None:
    """The call with the most turns, if it has some."""
    longest = max(told["calls"], key=lambda call: call["turns"], default={"turns": 0})
    return str(longest["call_sid"]) if longest["turns"] >= TOLD_TURNS else None


async def photograph(browser: Browser, client: httpx.AsyncClient, views: list[str], directory: Path) -> list[Path]:
    """Make a picture of each view, in each shape and scheme."""
    pictures = []
    for shape, (width, height) in SHAPES.items():
        await browser.resize(width, height, phone=shape == "phone")
        for name in views:
            place, shown = VIEWS[name]
            sid = await until("a call with some turns", client, "/calls?limit=100", told_call)
            await browser.visit("about:blank")
            await browser.visit(f"{str(client.base_url).rstrip('/')}/dashboard{place.format(sid=sid)}")
            await browser.until(f"document.querySelector('{shown}') !== null", f"{name} is shown")
            await browser.eval(OPEN)
            await asyncio.sleep(1.5)  # fonts, charts and the first updates
            for scheme in ("light", "dark"):
                await browser.prefer(scheme)
                await asyncio.sleep(0.5)  # what fades has faded
                pictures.append(directory / f"{name}-{shape}-{scheme}.png")
                await browser.picture(pictures[-1])
    return pictures


def keep(picture: Path) -> None:
    """Put a picture where the documentation has it, with few colours."""
    kept = PLACE / picture.name
    kept.write_bytes(with_palette(picture.read_bytes()))
    size = kept.stat().st_size
    print(f"{kept.relative_to(ROOT)}: {size / 1000:.0f} kB", flush=True)
    if size > MOST_BYTES:
        raise SystemExit(f"{kept} is larger than {MOST_BYTES / 1000:.0f} kB.")


async def main(minutes: float, callers: int, views: list[str]) -> None:
    """Let callers call for some minutes, break what runs, then make the pictures."""
    with tempfile.TemporaryDirectory(prefix="voiceagent-pictures-") as name:
        directory = Path(name)
        async with deployment(directory) as environment, asyncio.TaskGroup() as group:
            url = f"http://127.0.0.1:{environment['PORT']}"
            print(f"Runs at {url}/dashboard", flush=True)
            async with httpx.AsyncClient(base_url=url, timeout=30) as client:
                newer = group.create_task(supervise_newer(environment))
                await ramp(client)
                calling = group.create_task(receive(url, callers))
                await asyncio.sleep(minutes * 60)
                chaos = program("orchestrator.cli.main", "chaos", url, *CHAOS, environment=environment, log=None)
                await asyncio.to_thread(chaos.wait)
                async with open_browser() as browser:
                    pictures = await photograph(browser, client, views, directory)
                calling.cancel()
                newer.cancel()
        print("All are taken", flush=True)
        for picture in pictures:
            keep(picture)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10, help="how long callers talk before (default: %(default)g)")
    parser.add_argument("--callers", type=int, default=8, help="how many at once (default: %(default)s)")
    parser.add_argument("--views", nargs="+", choices=VIEWS, default=list(VIEWS), help="of which views (default: all)")
    given = parser.parse_args()
    asyncio.run(main(given.minutes, given.callers, given.views))
