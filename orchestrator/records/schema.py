"""The tables of the records, and their migrations: each one once, forward only.

A migration only adds. So a program of the previous version works with the tables of this one.
"""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import asyncpg

from orchestrator.errors import ArchiveUnavailable
from orchestrator.records.database_errors import database_errors

LOCK = 0x766F696365616765
"""The advisory lock under which tables are changed."""
CONNECT_SECONDS = 10.0
LOCK_SECONDS = 60.0
MIGRATION_SECONDS = 3600.0
"""An index of a large table takes its time."""
TABLES_THERE = "SELECT to_regclass('voiceagent_migrations') IS NOT NULL"
VERSION = "SELECT coalesce(max(version), 0) FROM voiceagent_migrations"
VERSIONS_TABLE = """
CREATE TABLE IF NOT EXISTS voiceagent_migrations (
    version    integer PRIMARY KEY,
    name       text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True)
class Migration:
    """One step of the tables, as a file `NNNN_name.sql` in `migrations/`."""

    version: int
    name: str
    sql: str


def _migrations() -> tuple[Migration, ...]:
    found = []
    for file in files("orchestrator.records").joinpath("migrations").iterdir():
        number, _, name = file.name.removesuffix(".sql").partition("_")
        if file.name.endswith(".sql"):
            found.append(Migration(int(number), name, file.read_text(encoding="utf-8")))
    return tuple(sorted(found, key=lambda migration: migration.version))


MIGRATIONS = _migrations()
NEWEST = MIGRATIONS[-1].version
"""The version of the tables that this program writes and reads."""


@dataclass(frozen=True)
class Migrated:
    """What `migrate` found and did. `applied` are the names of the migrations, in order."""

    version: int
    applied: tuple[str, ...]


async def version_of(connection: Any) -> int:
    """Return the version of the tables, 0 if there are none."""
    if not await connection.fetchval(TABLES_THERE):
        return 0
    return int(await connection.fetchval(VERSION))


async def migrate(url: str, migrations: tuple[Migration, ...] = MIGRATIONS) -> Migrated:
    """Bring the tables of the database to the version of this program. Newer ones are left alone.

    Several processes may do it at once. Raise `ArchiveUnavailable`.
    """
    with database_errors():
        connection = await asyncpg.connect(
            url, timeout=CONNECT_SECONDS, command_timeout=MIGRATION_SECONDS, statement_cache_size=0,
            server_settings={"application_name": "voiceagent records migrate"},
        )  # fmt: skip
        try:
            await _require_unicode(connection)
            applied: list[str] = []
            while (name := await _apply_next(connection, migrations)) is not None:
                applied.append(name)
            return Migrated(await version_of(connection), tuple(applied))
        finally:
            await connection.close(timeout=CONNECT_SECONDS)


async def _require_unicode(connection: Any) -> None:
    encoding = await connection.fetchval("SHOW server_encoding")
    if encoding != "UTF8":
        raise ArchiveUnavailable(
            f"The database's encoding is {encoding}, and callers speak every language. Make one with ENCODING 'UTF8'."
        )


async def _apply_next(connection: Any, migrations: tuple[Migration, ...]) -> str | None:
    """Apply the next migration in a transaction of its own. Return its name, or None if there is none."""
    async with connection.transaction():
        await connection.execute(
            f"SET LOCAL lock_timeout = {round(LOCK_SECONDS * 1000)}; SET LOCAL statement_timeout = 0"
        )
        await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK)
        await connection.execute(VERSIONS_TABLE)
        version = await version_of(connection)
        migration = next((each for each in migrations if each.version > version), None)
        if migration is None:
            return None
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO voiceagent_migrations (version, name) VALUES ($1, $2)", migration.version, migration.name
        )
    return f"{migration.version:04} {migration.name}"
