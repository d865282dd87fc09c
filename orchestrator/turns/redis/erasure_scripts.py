"""The call of the script that erases a call. See `orchestrator.redis.script_call`."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.events.outbox import NewEvent
from orchestrator.events.redis.scripts import body_of
from orchestrator.events.redis.sealed_parts import SealedParts
from orchestrator.redis import keys
from orchestrator.redis.damage import text_of
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.own_keys import own_keys
from orchestrator.redis.script_call import ScriptCall, flag, lua_script

FENCE_MS = 10_000
"""A worker notices within half a second that its lease is gone."""


@dataclass(frozen=True, slots=True)
class ErasedKeys:
    """What the keys of an erased call have said, which are gone.

    `found`: how many there were. `holder` ran its turns; `limited_as`, `version` and `tenant` say where else the call
    is counted or queued. `waiting` are its turns without a result, `listeners` the channels of those that wait for
    them. `is_told`: there is something to deliver.
    """

    found: int
    holder: str
    limited_as: str
    version: str
    tenant: str
    waiting: tuple[str, ...]
    listeners: tuple[str, ...]
    is_told: bool


def erase_call(
    *, call_sid: str, told: NewEvent | None, cipher: Cipher, is_known: bool, keeps_epoch: bool, shard: ShardKeys | None
) -> ScriptCall[ErasedKeys]:
    """Erase all keys of a call, and tell its sinks, if something of the call is here or it `is_known` elsewhere.

    With `keeps_epoch`, the epoch of a lease under which a turn runs stays for `FENCE_MS`: the SID may be used again at
    once, and what runs must not write into that call.
    """
    own = _own_keys(call_sid)
    shared = [] if shard is None else [shard.calls, shard.due, shard.schedules, shard.agenda]
    body, sinks = (b"", ()) if told is None else (body_of(told, SealedParts(cipher, call_sid)), told.sinks)
    args = [call_sid, len(own), body, json.dumps(sinks), flag(is_known), FENCE_MS if keeps_epoch else ""]
    return ScriptCall(lua_script("erase_call"), [*own, *shared], args, _erased)


def _own_keys(call_sid: str) -> list[str]:
    call = keys.call(call_sid)
    first = [keys.outbox(call_sid), call.lease, call.inbox, call.turns, call.listeners]
    return [*first, *(key for key in own_keys(call_sid) if key not in first)]


def _erased(reply: Sequence[Any]) -> ErasedKeys:
    found, holder, limited_as, version, tenant, waiting, listeners, is_told = reply
    return ErasedKeys(
        int(found), text_of(holder), text_of(limited_as), text_of(version), text_of(tenant),
        tuple(map(text_of, waiting)), tuple(map(text_of, listeners)), bool(is_told),
    )  # fmt: skip
