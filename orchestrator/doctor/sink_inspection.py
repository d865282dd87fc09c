"""Looks whether the sinks of events can be reached. Nothing is sent to them."""

import asyncio
import os
import shutil
import socket
import ssl
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from orchestrator.doctor.facts import SinkFacts
from orchestrator.errors import VoiceAgentError
from orchestrator.events.sinks.factory import sink_names
from orchestrator.events.sinks.public_addresses import public_addresses
from orchestrator.events.sinks.sink import EventRefused
from orchestrator.settings import Settings

CONNECT_SECONDS = 5.0
LEAST_FREE_BYTES = 100_000_000
REPAIR = "Repair it. Meanwhile its events wait, and are tried again for three days."


async def inspect_sinks(settings: Settings, connect_seconds: float = CONNECT_SECONDS) -> tuple[SinkFacts, ...]:
    """Return what is known of each sink that these settings name. A webhook has `connect_seconds` to answer."""
    urls = dict(zip(sink_names(settings), settings.webhook_urls, strict=False))  # webhooks come first
    looks = [_inspected(name, urls.get(name), settings, connect_seconds) for name in sink_names(settings)]
    return tuple(await asyncio.gather(*looks))


async def _inspected(name: str, url: str | None, settings: Settings, connect_seconds: float) -> SinkFacts:
    if url is not None:
        return await _webhook(name, url, connect_seconds, allow_private=settings.events_allow_private)
    if name == "file" and settings.events_file is not None:
        return _file(name, Path(settings.events_file))
    if name == "database" and settings.events_database_url is not None:
        return await _database(name, settings)
    return SinkFacts(name, "a class of yours")


async def _webhook(name: str, url: str, seconds: float, *, allow_private: bool) -> SinkFacts:
    """Resolve the host, connect to it and, with TLS, check its certificate."""
    parts = urlsplit(url)
    host, is_tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if is_tls else 80)
    place = f"{host}:{port}"
    try:
        async with asyncio.timeout(seconds):
            address = host if allow_private else (await public_addresses(host, port))[0]
            context = ssl.create_default_context() if is_tls else None
            _, writer = await asyncio.open_connection(
                address, port, ssl=context, server_hostname=host if is_tls else None
            )
        writer.close()
        with suppress(OSError, TimeoutError):
            await asyncio.wait_for(writer.wait_closed(), 1)
    except EventRefused as error:
        said, _, advice = str(error).partition(". ")
        return SinkFacts(name, place, f"{said}: every event is refused.", advice, loses_events=True)
    except TimeoutError:
        return SinkFacts(name, place, f"{place} does not answer within {seconds:g} s.", REPAIR)
    except ssl.SSLCertVerificationError as error:
        return SinkFacts(name, place, f"The certificate of {place} is not valid: {error.verify_message}.", REPAIR)
    except OSError as error:
        return SinkFacts(name, place, f"{place} cannot be reached: {_reason(error)}.", REPAIR)
    return SinkFacts(name, place)


def _reason(error: OSError) -> str:
    """Return what is wrong, without the address that asyncio adds."""
    if isinstance(error, socket.gaierror) or not error.errno:
        return error.strerror or type(error).__name__
    return os.strerror(error.errno)


def _file(name: str, path: Path) -> SinkFacts:
    free = shutil.disk_usage(path.parent).free
    if free < LEAST_FREE_BYTES:
        return SinkFacts(name, str(path), f"{free // 1_000_000} MB are free where {path} is.", "Make room, or move it.")
    return SinkFacts(name, str(path))


async def _database(name: str, settings: Settings) -> SinkFacts:
    """Connect, and see whether its tables are there."""
    from orchestrator.records.opening import open_database

    place = "PostgreSQL"
    try:
        database = open_database(settings, connections=1)
        assert database is not None
        try:
            async with database.transaction():
                pass
        finally:
            await database.close()
    except VoiceAgentError as error:
        said, _, advice = str(error).partition(". ")
        return SinkFacts(name, place, said if said.endswith(".") else f"{said}.", advice or REPAIR)
    return SinkFacts(name, place)
