"""Make an encryption key, show what is encrypted under which key, or encrypt everything under the first one.

  voiceagent encryption new-key     print a new key for STATE_ENCRYPTION_KEYS
  voiceagent encryption status      which process has which key, and how many values lie under which
  voiceagent encryption rotate      encrypt anew what does not lie under the first key of STATE_ENCRYPTION_KEYS

To begin: STATE_ENCRYPTION_KEYS=plain,KEY in all processes, then KEY,plain in all, then rotate, then KEY. To change the
key: OLD,NEW in all processes, then NEW,OLD in all, then rotate, then NEW. To end: plain,KEY in all, rotate, then none.
`rotate` needs the keys as all processes have them. Calls go on meanwhile. It may be ended and repeated. A key is known
by its id, which does not reveal it.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from typing import Any

from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.table import table_lines
from orchestrator.encryption.keys import PLAIN, new_key
from orchestrator.errors import BadSetting
from orchestrator.health.workers import list_workers
from orchestrator.operator_changes.redis import note_change
from orchestrator.records.opening import open_database, record_cipher
from orchestrator.records.sealed_rows import SealedRows
from orchestrator.redis.connections import connect
from orchestrator.redis.replicas import replica_wait
from orchestrator.redis.store_connection import StoreConnection
from orchestrator.resealing.rotation import KeyUse, Rotated, key_use, rotate
from orchestrator.sensitive_turns.cipher import sensitive_cipher
from orchestrator.settings import Settings, load_settings

COMMANDS = ("new-key", "status", "rotate")
NO_REDIS = "USE_REDIS is not true here, and the states of calls are in no other place that outlives a process."
NO_KEYS = "STATE_ENCRYPTION_KEYS is not set here. Set it as web and workers have it, in the same order."
EXIT_CODES = {
    0: "done; nothing is left to be encrypted anew",
    1: "something is left, or Redis does not answer",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent encryption`."""
    parser.add_argument("command", choices=COMMANDS)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command. Return 1 if something is left to be encrypted anew."""
    if args.command == "new-key":
        key = new_key()
        print(json.dumps({"key": key}) if args.json else key)
        return 0
    settings = with_used_redis(load_settings())
    if not settings.use_redis:
        raise BadSetting(NO_REDIS)
    if args.command == "rotate" and not settings.encryption_keys.all:
        raise BadSetting(NO_KEYS)
    return asyncio.run((_status if args.command == "status" else _rotate)(settings, as_json=args.json))


@asynccontextmanager
async def _connected(settings: Settings) -> AsyncIterator[StoreConnection]:
    redis = connect(settings, max_connections=4)
    try:
        yield StoreConnection(redis, nullcontext, replica_wait(settings))
    finally:
        await redis.aclose()


async def _status(settings: Settings, *, as_json: bool) -> int:
    async with _connected(settings) as connection:
        workers = [_known(worker) for worker in await list_workers(connection.redis) if not worker.get("lost")]
        use = await key_use(connection)
    if (database := open_database(settings, connections=1)) is not None:
        from orchestrator.records.rotation import row_key_use

        rows = await row_key_use(database)
        use.counts.update({("rows of the database", key): count for key, count in rows.items()})
        await database.close()
    here = settings.encryption_keys.ids or [PLAIN]
    if as_json:
        counts = {kind: {key: use.counts[kind, key] for key in use.key_ids} for kind in use.kinds}
        print(json.dumps({"here": here, "workers": workers, "values": counts}))
        return 0
    colors = Colors(sys.stdout)
    processes = [("this command", *_keys_shown(here, []))]
    processes += [(worker["id"], *_keys_shown(worker["keys"], worker["missing_keys"])) for worker in workers]
    print(*table_lines(("PROCESS", "ENCRYPTS WITH", "ALSO READS", "LACKS"), processes, colors), sep="\n")
    print(colors("Web processes report no keys: make sure that each has the same setting.", "dim"), "", sep="\n")
    print(*_use_lines(use, colors), sep="\n")
    return 0


def _known(worker: dict[str, Any]) -> dict[str, Any]:
    """Return which keys a worker has and lacks. One of a version that knows no keys says nothing of them."""
    return {
        "id": str(worker["id"]),
        "keys": worker.get("keys") or [PLAIN],
        "missing_keys": worker.get("missing_keys") or [],
    }


def _keys_shown(known: list[str], missing: list[str]) -> tuple[str, str, str]:
    first, *others = map(str, known)
    return first, ", ".join(others) or "-", ", ".join(map(str, missing)) or "-"


def _use_lines(use: KeyUse, colors: Colors) -> list[str]:
    if not use.kinds:
        return ["Nothing is stored that is, or could be, encrypted."]
    rows = [(kind, *(str(use.counts[kind, key] or "-") for key in use.key_ids)) for kind in use.kinds]
    return table_lines(("VALUES", *(key.upper() if key == PLAIN else key for key in use.key_ids)), rows, colors)


async def _rotate(settings: Settings, *, as_json: bool) -> int:
    def progress(done: Rotated) -> None:
        if not as_json and sys.stdout.isatty():
            print(f"\r{done.looked_at} values looked at, {done.resealed} encrypted anew", end="", flush=True)

    async with _connected(settings) as connection:
        await note_change(settings, "encryption", "rotate")
        done = await rotate(connection, sensitive_cipher(settings), progress)
    if (database := open_database(settings, connections=1)) is not None:
        from orchestrator.records.rotation import rotate_rows

        rows = await rotate_rows(database, SealedRows(record_cipher(settings)))
        await database.close()
        done.looked_at += rows.looked_at
        done.resealed += rows.resealed
        done.left.update(rows.left)
    left = sum(done.left.values())
    if as_json:
        print(json.dumps({"values": done.looked_at, "resealed": done.resealed, "left": dict(done.left)}))
        return 1 if left else 0
    if sys.stdout.isatty():
        print()
    first = settings.encryption_keys.ids[0]
    written = "decrypted" if first == PLAIN else f"encrypted under {first}"
    print(f"{done.looked_at} values: {done.resealed} were {written}, {left} are left.")
    for reason, count in done.left.most_common():
        print(f"  {count}: {reason}")
    return 1 if left else 0
