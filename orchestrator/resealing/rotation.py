"""Counts what lies under which key, and writes anew what lies under another key than the one that encrypts now."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from orchestrator.encryption.cipher import Cipher
from orchestrator.encryption.envelope import key_id_of
from orchestrator.encryption.keys import PLAIN
from orchestrator.errors import UnreadableSeal
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.resealing.scripts import replace_value
from orchestrator.resealing.walk import Value, values

MOST_PASSES = 5
DAMAGED = "damaged"


@dataclass(slots=True)
class KeyUse:
    """How many values of each kind lie under which key: (kind, id of the key, `plain` or `damaged`) → number."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def kinds(self) -> list[str]:
        """Return the kinds, sorted."""
        return sorted({kind for kind, _ in self.counts})

    @property
    def key_ids(self) -> list[str]:
        """Return the ids of keys, sorted."""
        return sorted({key_id for _, key_id in self.counts})


@dataclass(slots=True)
class Rotated:
    """What `rotate` has done, and has `left`: why, and of how many values."""

    looked_at: int = 0
    resealed: int = 0
    left: Counter[str] = field(default_factory=Counter)


Progress = Callable[[Rotated], None]


async def key_use(connection: StoreConnection) -> KeyUse:
    """Return what lies under which key in Redis. Raise `StoreUnavailable`."""
    use = KeyUse()
    async for page in values(connection):
        for value in page:
            _count(use, value, connection.cipher)
    return use


def _count(use: KeyUse, value: Value, cipher: Cipher) -> None:
    kind = value.place.shown
    try:
        key_ids = [key_id_of(part) for part in value.place.sealed(value.field, value.stored)]
        value.place.reseal(cipher, value.key, value.field, value.stored)
    except UnreadableSeal as error:
        if not error.is_key_missing and PLAIN not in key_ids:
            key_ids = [DAMAGED]
    except (ValueError, RecursionError):
        key_ids = [DAMAGED]
    use.counts.update((kind, key_id) for key_id in key_ids)


async def rotate(connection: StoreConnection, words: Cipher | None, progress: Progress | None = None) -> Rotated:
    """Write anew what is not encrypted as the connection's cipher encrypts now. Live calls go on.

    `words` is the cipher of sensitive turns. It may be repeated, and ended at any time. Raise `StoreUnavailable`.
    """
    done = Rotated()
    for _ in range(MOST_PASSES):
        before = done.resealed
        done.looked_at = 0
        done.left.clear()
        async for page in values(connection):
            await _reseal(connection, words, page, done)
            if progress is not None:
                progress(done)
        if done.resealed == before and not done.left["changed meanwhile"]:
            return done
    done.left["written under another key while this ran: some process still encrypts with that"] += 1
    return done


async def _reseal(connection: StoreConnection, words: Cipher | None, page: Sequence[Value], done: Rotated) -> None:
    calls = []
    for value in page:
        done.looked_at += 1
        try:
            again = value.place.reseal(connection.cipher, value.key, value.field, value.stored, words)
        except UnreadableSeal as error:
            done.left[str(error)] += 1
        except (ValueError, RecursionError):
            done.left["It is damaged."] += 1
        else:
            if again is not None:
                calls.append(replace_value(key=value.key, field=value.field, before=value.stored, after=again))
    for is_replaced in await connection.run_all(calls) if calls else []:
        if is_replaced:
            done.resealed += 1
        else:
            done.left["changed meanwhile"] += 1
