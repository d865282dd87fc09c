"""Searches what is left when the callers have gone: every file, the database, and what others were sent."""

import asyncio
import json
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import asyncpg
from canaries.observers import Findings
from canaries.redis_places import written
from canaries.report import (
    DATABASE,
    EVENTS_FILE,
    EVENTS_WEBHOOK,
    LOGS,
    MODEL,
    OTHER_FILES,
    REDIS_FILES,
    TEXT_MESSAGES,
    TRACES,
    URLS,
)
from canaries.stage import Stage

_URL = re.compile(rb'(?:action|[uU]rl|statusCallback|partialResultCallback)="([^"]*)"|<Redirect[^>]*>([^<]*)')
BATCH = 1 << 20
"""Bytes that are searched at a time, of what consists of many small things."""


async def search(findings: Findings, stage: Stage, documents: Iterable[bytes]) -> None:
    """Search everything. `documents` are those that the provider got."""
    await asyncio.to_thread(stage.deployment.redis.client().save)
    await asyncio.to_thread(_search_redis, findings, stage.deployment.redis.directory)
    told = await stage.sinks.told()
    findings.look(EVENTS_WEBHOOK, json.dumps(told["webhook"]).encode())
    findings.look(TRACES, b" ".join(stage.collector.bodies))
    findings.look(MODEL, json.dumps(stage.model.requests).encode())
    sent = [(message.to, message.body) for message in stage.texts.api.messages.sent]
    findings.look(TEXT_MESSAGES, json.dumps(sent).encode())
    findings.look(URLS, b" ".join(url for document in documents for url in _urls_in(document)))
    if stage.sinks.postgres is not None:
        await _search_rows(findings, stage.sinks.postgres.dsn)
    await asyncio.to_thread(_search_all_files, findings, stage)


def _search_redis(findings: Findings, directory: Path) -> None:
    """Search all that was ever written, place by place."""
    batches: dict[str, list[bytes]] = {}
    for place, command in written(directory):
        batch = batches.setdefault(place, [])
        batch.append(command)
        if sum(map(len, batch[-100:])) > BATCH:
            findings.look(place, b"\n".join(batches.pop(place)))
    for place, batch in batches.items():
        findings.look(place, b"\n".join(batch))


def _search_all_files(findings: Findings, stage: Stage) -> None:
    directory = stage.deployment.directory
    _search_files(findings, EVENTS_FILE, [stage.sinks.file])
    _search_files(findings, REDIS_FILES, [stage.deployment.redis.directory])
    _search_files(findings, LOGS, directory.glob("*.log"))
    _search_files(findings, OTHER_FILES, (path for path in directory.rglob("*") if path.suffix != ".log"))
    if stage.sinks.postgres is not None:
        _search_files(findings, DATABASE, [stage.sinks.postgres.directory], since=stage.began)


def _search_files(findings: Findings, place: str, paths: Iterable[Path], since: float = 0) -> None:
    """Search the files below `paths` that were changed `since` (Unix seconds)."""
    for path in paths:
        for file in [path] if path.is_file() else path.rglob("*"):
            with suppress(OSError):  # it went meanwhile
                if file.is_file() and not file.is_symlink() and file.stat().st_mtime >= since:
                    findings.look(place, file.read_bytes())


def _urls_in(document: bytes) -> Iterable[bytes]:
    """Every address in a document: a provider logs them, and so does whatever stands between it and us."""
    return (b"".join(found) for found in _URL.findall(document))


async def _search_rows(findings: Findings, dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        names = [row["relname"] for row in await connection.fetch("SELECT relname FROM pg_stat_user_tables")]
        for name in names:
            rows = await connection.fetch(f'SELECT t::text AS row FROM "{name}" AS t')
            findings.look(DATABASE, "\n".join(row["row"] for row in rows).encode())
    finally:
        await connection.close()
