"""What errors of the database's client mean."""

import asyncpg
import pytest

from orchestrator.errors import ArchiveUnavailable
from orchestrator.records.database_errors import database_errors


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.InterfaceError("connection is closed"),
        asyncpg.InternalClientError("cannot switch to state 16; another operation (2) is in progress"),
        ConnectionResetError(),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_connection_that_is_gone_is_a_database_that_is_away(error: Exception) -> None:
    with pytest.raises(ArchiveUnavailable, match=type(error).__name__), database_errors():
        raise error
