"""Opens what the setting `EVENTS_DATABASE_URL` names. Without it nothing of PostgreSQL is imported."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import BadSetting
from orchestrator.settings import Settings

if TYPE_CHECKING:
    from orchestrator.records.archive import Archive
    from orchestrator.records.database import Database

READERS = 5
"""Connections of one web process."""


def database_url(settings: Settings) -> str | None:
    """Return `EVENTS_DATABASE_URL`, which holds a password. Raise `BadSetting` if its client is not installed."""
    if settings.events_database_url is None:
        return None
    if find_spec("asyncpg") is None:
        raise BadSetting(
            "EVENTS_DATABASE_URL is set, and the package asyncpg is not installed: pip install 'voiceagent[postgres]'."
        )
    return settings.events_database_url.get_secret_value()


def open_database(settings: Settings, *, connections: int) -> "Database | None":
    """Return the database of records, which is connected to when it is first used; None if none is set."""
    if (url := database_url(settings)) is None:
        return None
    from orchestrator.records.database import Database

    return Database(url, connections=connections)


def record_cipher(settings: Settings) -> Cipher:
    """Return the cipher of what is kept in the database."""
    return Cipher(settings.encryption_keys)


def open_archive(settings: Settings) -> "Archive | None":
    """Return the archive of records; None if no database is set. Raise `BadSetting`."""
    if (database := open_database(settings, connections=READERS)) is None:
        return None
    from orchestrator.records.archive import Archive

    return Archive(database, cipher=record_cipher(settings))
