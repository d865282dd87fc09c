"""PostgreSQL as a sink: the records of calls, their turns, and the events themselves."""

import asyncio
import logging

from orchestrator.encryption.cipher import NO_CIPHER, Cipher
from orchestrator.errors import ArchiveNotMigrated, ArchiveUnavailable, ValueRefused
from orchestrator.events.event import Event
from orchestrator.events.sinks.record_writer import prepare_event, write_event
from orchestrator.events.sinks.sink import EventRefused, TryLater
from orchestrator.records.database import ANSWER_SECONDS, CONNECT_SECONDS, Database
from orchestrator.records.sealed_rows import SealedRows

logger = logging.getLogger(__name__)

WRITERS = 4
"""Connections of one process: `max_connections` of a small PostgreSQL is 100."""


class PostgresSink:
    """Writes each event, once for its id, into the database at `url`, together with what follows from it.

    `call.started` opens a row of the call, `call.ended` fills it and its turns, `call.erased` deletes all of it. It
    connects when it is first used, and again when the server was restarted. It does not make its tables: that is done
    by `voiceagent records migrate`, and until then events wait.
    """

    def __init__(
        self,
        url: str,
        *,
        connections: int = WRITERS,
        answer_seconds: float = ANSWER_SECONDS,
        connect_seconds: float = CONNECT_SECONDS,
        cipher: Cipher = NO_CIPHER,
    ) -> None:
        self._rows = SealedRows(cipher)
        self.most_at_once = connections
        self._room = asyncio.Semaphore(connections)
        self._database = Database(
            url, connections=connections, answer_seconds=answer_seconds, connect_seconds=connect_seconds
        )
        self._has_warned = False

    async def deliver(self, event: Event) -> None:
        """Write the event in one transaction. Raise `EventRefused` or `TryLater`."""
        try:
            prepared = await prepare_event(event)
            # A connection is waited for here: in the pool, that wait would count as a database that does not answer.
            async with self._room, self._database.transaction() as connection:
                await write_event(connection, prepared, self._database.erasure_key, self._rows)
        except ValueRefused as error:
            raise EventRefused(str(error)) from None
        except ArchiveNotMigrated as error:
            self._warn(str(error))
            raise TryLater(str(error)) from None
        except ArchiveUnavailable as error:
            raise TryLater(str(error)) from None
        self._has_warned = False

    async def close(self) -> None:
        """Close the connections."""
        await self._database.close()

    def _warn(self, sentence: str) -> None:
        if not self._has_warned:
            logger.error("Events cannot be kept: %s", sentence, extra={"action": "records.not_migrated"})
        self._has_warned = True
