"""What errors of PostgreSQL mean: never again, or later."""

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg

from orchestrator.errors import ArchiveNotMigrated, ArchiveUnavailable, ValueRefused

REFUSED_CLASSES = ("22", "23", "54")
"""Data that is wrong, that breaks a constraint, or that is more than the database can hold: first two characters of a
SQLSTATE (PostgreSQL's manual, appendix A). Everything else may succeed later: a full disk, a deadlock, a shutdown."""
NOT_MIGRATED = ("42P01", "42703")
"""A table, or a column, that does not exist."""
SHOWN_CLASSES = ("28", "3D", "3F", "42")
"""Errors whose message says what is wrong with the database or its rights, and nothing of what was written."""
TOO_SLOW = "57014"
"""A statement that exceeded its time."""


@contextmanager
def database_errors() -> Iterator[None]:
    """Raise `ValueRefused`, `ArchiveNotMigrated` or `ArchiveUnavailable` for what asyncpg raises.

    No message has a value that was written: it may be what a caller said.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        code = error.sqlstate or ""
        if code[:2] in REFUSED_CLASSES:
            raise ValueRefused(f"PostgreSQL will never take it: {type(error).__name__} ({code}).") from None
        if code in NOT_MIGRATED:
            raise ArchiveNotMigrated from None
        raise ArchiveUnavailable(_sentence(error, code)) from None
    # The client's own state is upset by a connection that ends between two of its steps.
    except (asyncpg.InterfaceError, asyncpg.InternalClientError, OSError, TimeoutError) as error:
        raise ArchiveUnavailable(
            f"PostgreSQL does not answer ({type(error).__name__}). Check that it runs, and EVENTS_DATABASE_URL."
        ) from None


def _sentence(error: asyncpg.PostgresError, code: str) -> str:
    if code == TOO_SLOW:
        return "PostgreSQL took too long. Search in less: set from and to."
    said = f": {error.args[0]}" if code[:2] in SHOWN_CLASSES else ""
    return f"PostgreSQL cannot be used now ({type(error).__name__}, {code}){said}."
