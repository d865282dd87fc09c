"""The call of the script that counts what is in an outbox. See `orchestrator.events.redis.scripts`."""

from collections.abc import Sequence
from typing import Any

from orchestrator.events.outbox import CallTally, SinkTally
from orchestrator.events.redis.scripts import outbox_keys
from orchestrator.redis import keys
from orchestrator.redis.keys import ShardKeys
from orchestrator.redis.script_call import ScriptCall, flag, lua_script, text


def survey_outbox(
    *, call_sid: str, elsewhere: bool, sinks: Sequence[str], shard: ShardKeys | None
) -> ScriptCall[tuple[CallTally | None, float | None]]:
    """Count what is in the outbox; None if nothing is. And when the call is to be looked at next (ms); None: never."""
    outbox, *agenda = outbox_keys(call_sid, shard)
    return ScriptCall(
        lua_script("survey_outbox"),
        [outbox, keys.state(call_sid), *agenda],
        [call_sid, flag(elsewhere), *sinks],
        lambda reply: _surveyed(call_sid, reply),
    )


def _surveyed(call_sid: str, reply: Any) -> tuple[CallTally | None, float | None]:
    events, size, is_open, look_at, counted = reply
    sinks = {
        text(sink): SinkTally(int(pending), int(dead), *(_seconds(moment) for moment in moments))
        for sink, pending, dead, *moments in counted
    }
    tally = CallTally(call_sid, int(events), int(size), sinks) if events or is_open else None
    return tally, float(look_at) if look_at else None


def _seconds(moment: bytes | str) -> float | None:
    return float(moment) / 1000 if moment else None
