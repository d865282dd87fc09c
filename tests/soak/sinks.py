"""Sinks of events for the soak: a webhook receiver with moods, a file, and a PostgreSQL if one is installed."""

import asyncio
import base64
import json
import logging
import shutil
import tempfile
from collections import defaultdict, deque
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Literal, Self

import asyncpg
from standardwebhooks import Webhook, WebhookVerificationError
from support.postgres import PostgresServer, installed
from support.servers import free_port
from support.terminal import run_script
from support.told_events import whole_lines
from support.waiting import wait_until

logger = logging.getLogger("soak")

Mood = Literal["well", "failing", "hanging", "breaking"]
SECRET = "whsec_" + base64.b64encode(b"the secret of the soak's sinks..").decode()
EVENTS = "call.started,call.ended,turn.completed,turn.failed,call.transferred,message.sent,activity.failed"

Told = dict[str, list[dict[str, Any]]]
"""What each sink was told, in the order of arrival: name of the sink → events."""


class Sinks:
    """Starts the sinks. A context manager. `settings` are the environment variables of the product's processes.

    The receiver does as its `mood` says, and takes no connection while it is `away`.
    """

    def __init__(self, rng: Random) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="va-sinks-"))
        self.file = self._directory / "events.jsonl"
        self.mood: Mood = "well"
        self.forged: list[str] = []
        self._rng = rng
        self._received: list[dict[str, Any]] = []
        self._ended: dict[str, set[str]] = {"webhook": set(), "file": set()}
        self._file_read = 0
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._stack = AsyncExitStack()
        self.postgres: PostgresServer | None = None

    @property
    def settings(self) -> dict[str, str]:
        found = {
            "EVENTS": EVENTS,
            "EVENTS_WEBHOOK_URL": f"http://127.0.0.1:{self._port}/events",
            "EVENTS_WEBHOOK_SECRET": SECRET,
            "EVENTS_ALLOW_PRIVATE": "true",
            "EVENTS_FILE": str(self.file),
        }
        return found | ({"EVENTS_DATABASE_URL": self.postgres.dsn} if self.postgres is not None else {})

    async def __aenter__(self) -> Self:
        if installed():
            self.postgres = await asyncio.to_thread(self._stack.enter_context, PostgresServer())
            migrated = await run_script("records", "migrate", cwd=self._directory, settings=self.settings)
            assert migrated[0] == 0, migrated
        await self.come_back()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.go_away()
        await self._stack.aclose()
        shutil.rmtree(self._directory, ignore_errors=True)

    async def come_back(self) -> None:
        """Take connections."""
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", self._port)

    async def go_away(self) -> None:
        """Die: break every connection, and refuse new ones."""
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        with suppress(AssertionError):
            await wait_until(lambda: not self._writers, "the connections are gone", 5)

    async def restart_postgres(self, pause: float) -> None:
        """Stop the database at once, and start it again after `pause` seconds."""
        if self.postgres is not None:
            await asyncio.to_thread(self.postgres.stop)
            await asyncio.sleep(pause)
            await asyncio.to_thread(self.postgres.start)

    async def told(self) -> Told:
        """Return what every sink has now."""
        lines = whole_lines(self.file)
        found = {"webhook": list(self._received), "file": [json.loads(line) for line in lines]}
        if self.postgres is not None:
            found["database"] = await _read_events(self.postgres.dsn)
        return found

    async def told_ends(self) -> dict[str, set[str]]:
        """Return the calls of whose end every sink was told: for a small part of the cost of `told`.

        Whoever waits here for the receiver shares a loop with it, and must not hold it up.
        """
        self._read_ends_of_file()
        found = {name: set(calls) for name, calls in self._ended.items()}
        if self.postgres is not None:
            found["database"] = await _read_ends(self.postgres.dsn)
        return found

    def _read_ends_of_file(self) -> None:
        """Read what was added to the file since the last time."""
        if not self.file.exists():
            return
        with self.file.open("rb") as file:
            file.seek(self._file_read)
            added = file.read().rpartition(b"\n")[0]
        if added:
            self._file_read += len(added) + 1
            ends = (json.loads(line) for line in added.splitlines() if b'"call.ended"' in line)
            self._ended["file"] |= {event["data"]["call_sid"] for event in ends if event["type"] == "call.ended"}

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, RuntimeError):  # uvloop: it was aborted
                while await self._serve(reader, writer):
                    pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request as the mood is. Return whether the connection goes on."""
        _, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        mood = self.mood if self._rng.random() < 0.7 else "well"
        if mood == "hanging":
            await asyncio.sleep(4 + 4 * self._rng.random())
        # Whoever fails may have taken the event all the same: the answer is what is lost.
        is_taken = mood == "well" or self._rng.random() < 0.5
        if is_taken:
            self._take(headers, body)
        if mood == "breaking" or (mood == "hanging" and not is_taken):
            return False
        status = b"500 X" if mood == "failing" else b"204 X"
        writer.write(b"HTTP/1.1 " + status + b"\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()
        return True

    def _take(self, headers: dict[str, str], body: bytes) -> None:
        try:
            Webhook(SECRET).verify(body, headers)
        except WebhookVerificationError as error:
            self.forged.append(f"{headers.get('webhook-id')}: {error}")
            return
        event = json.loads(body)
        self._received.append(event)
        if event["type"] == "call.ended":
            self._ended["webhook"].add(event["data"]["call_sid"])


_EVENTS = """
SELECT id, type, call_sid, seq, CASE WHEN type = 'message.sent' THEN data END AS data
FROM voiceagent_events ORDER BY kept_at, seq
"""


async def _read_ends(dsn: str) -> set[str]:
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch("SELECT call_sid FROM voiceagent_events WHERE type = 'call.ended'")
    finally:
        await connection.close()
    return {row["call_sid"] for row in rows}


async def _read_events(dsn: str) -> list[dict[str, Any]]:
    """Return what the database was told, as it arrived. A turn's event gets the id of the turn at its place.

    A turn that was dropped has no event, but is in the record of the call.
    """
    connection = await asyncpg.connect(dsn)
    try:
        rows = await connection.fetch(_EVENTS)
        turns = await connection.fetch(
            "SELECT call_sid, turn_id FROM voiceagent_turns WHERE outcome <> 'dropped' ORDER BY call_sid, position"
        )
    finally:
        await connection.close()
    left: dict[str, deque[str]] = defaultdict(deque)
    for turn in turns:
        left[turn["call_sid"]].append(turn["turn_id"])
    events = [
        {"id": row["id"], "type": row["type"], "data": json.loads(row["data"] or "{}") | dict(row) | {"data": None}}
        for row in rows
    ]
    for event in events:
        waiting = left[event["data"]["call_sid"]]
        if event["type"] == "turn.completed":
            event["data"]["turn_id"] = waiting.popleft() if waiting else None
    return events
