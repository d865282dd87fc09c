"""Erases calls from the database of records, which then refuses whatever comes of them too late.

What remains of an erased call is a keyed hash of its SID with the time: its lives that had begun by then are refused.
The key follows from the address of the database: every process that writes there has it, and a copy of the tables alone
does not tell whether a call was erased.
"""

import hashlib
import hmac
from datetime import datetime
from typing import Any

LOCK = "SELECT pg_advisory_xact_lock($1)"
NOTE_ERASED = """
INSERT INTO voiceagent_erased AS erased (life, erased_at) VALUES ($1, $2)
ON CONFLICT (life) DO UPDATE SET erased_at = greatest(erased.erased_at, excluded.erased_at)
"""
IS_ERASED = """
SELECT EXISTS (SELECT FROM voiceagent_erased WHERE life = $1 OR (life = $2 AND erased_at >= $3))
"""
ERASE_LIVES = "DELETE FROM voiceagent_calls WHERE call_sid = $1 AND started_at <= $2"
ERASE_EVENTS = """
DELETE FROM voiceagent_events
WHERE call_sid = $1 AND (started_at <= $2 OR (started_at IS NULL AND occurred_at <= $2))
"""
ERASE_LIFE = "DELETE FROM voiceagent_calls WHERE call_sid = $1 AND started_at = $2"
ERASE_EVENTS_OF_LIFE = "DELETE FROM voiceagent_events WHERE call_sid = $1 AND (started_at = $2 OR started_at IS NULL)"


def erasure_key(url: str) -> bytes:
    """Return the key of the hashes in the database at `url`."""
    return hashlib.sha256(b"voiceagent erased calls " + url.encode()).digest()


async def lock_call(connection: Any, call_sid: str) -> None:
    """Let what is written of one call wait for each other, whichever process writes it."""
    number = int.from_bytes(hashlib.sha256(call_sid.encode()).digest()[:8], signed=True)
    await connection.execute(LOCK, number)


async def is_erased(connection: Any, key: bytes, call_sid: str, life: datetime) -> bool:
    """True if the life of the call that began then was erased."""
    found = await connection.fetchval(IS_ERASED, _hash(key, call_sid, life), _hash(key, call_sid), life)
    return bool(found)


async def erase_call(connection: Any, key: bytes, call_sid: str, at: datetime) -> int:
    """Erase all lives of the call that had begun `at` that time. Return how many rows there were of it.

    The connection is in a transaction.
    """
    await lock_call(connection, call_sid)
    await connection.execute(NOTE_ERASED, _hash(key, call_sid), at)
    calls = _count(await connection.execute(ERASE_LIVES, call_sid, at))  # with their turns
    return calls + _count(await connection.execute(ERASE_EVENTS, call_sid, at))


async def erase_life(connection: Any, key: bytes, call_sid: str, life: datetime, at: datetime) -> None:
    """Erase one life of the call."""
    await connection.execute(NOTE_ERASED, _hash(key, call_sid, life), at)
    await connection.execute(ERASE_EVENTS_OF_LIFE, call_sid, life)
    await connection.execute(ERASE_LIFE, call_sid, life)


def _hash(key: bytes, call_sid: str, life: datetime | None = None) -> bytes:
    name = call_sid if life is None else f"{call_sid}\n{life.isoformat()}"
    return hmac.digest(key, name.encode(), hashlib.sha256)


def _count(answer: str) -> int:
    """Return the number in what PostgreSQL says of a statement: `DELETE 3`."""
    return int(answer.rpartition(" ")[2])
