"""The calls of the scripts by which an ingress listens to calls. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence
from typing import NamedTuple

from orchestrator.redis import keys
from orchestrator.redis.script_call import ScriptCall, lua_script


def take_over_call(*, call_sid: str, channel: str) -> ScriptCall[list[bytes]]:
    """Listen to the call on `channel` from now on. The channels that listened before."""
    return ScriptCall(lua_script("take_over_call"), [keys.call(call_sid).listeners], [channel], list)


class Kept(NamedTuple):
    """How a call stood that an ingress listens to: `was_lost` says that it did not listen any more.

    `version` is that of the state; None if that is not in this Redis.
    """

    was_lost: bool
    version: int | None


def keep_listening(*, call_sid: str, channel: str) -> ScriptCall[Kept]:
    """Go on listening to the call on `channel`."""
    call = keys.call(call_sid)
    return ScriptCall(lua_script("keep_listening"), [call.listeners, call.state], [channel], _kept)


def _kept(reply: Sequence[bytes | int]) -> Kept:
    was_lost, version = reply
    return Kept(bool(was_lost), int(version) if version else None)
