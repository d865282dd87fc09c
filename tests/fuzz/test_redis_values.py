"""Whatever is found in Redis, or comes over its pub/sub: other calls are answered, and no process reports a bug."""

from pathlib import Path

import pytest
from fuzz.redis_place import READS, RedisPlace, redis_place
from fuzz.served import ErrorLog, error_log
from support.servers import RedisServer

INPUTS = 12
"""An input may cost ten seconds: what is damaged may be a lease, which is waited out. `make fuzz` tries more."""
SEED = 20261127
BUGS = ("report this", "Traceback", "left unfinished", "never retrieved")
"""What a process logs of an error that nobody has thought of."""
ANSWERS = (200, 410, 503, 504)
"""To a turn of a call that is damaged: its state cannot be read, or seems to have ended, or its lease to last."""
UNREADABLE = b"/problems/unreadable-state"
"""The type of the answer that says so."""

pytestmark = pytest.mark.processes


async def wrong_with(place: RedisPlace, log: ErrorLog, number: int) -> str:
    """Damage a value while a call is there. Return what is wrong then; "" if nothing is."""
    place.forget()
    await place.say("CAbad", "t1")
    if number % 3 == 0:
        place.leave_turns()
    done = place.damage()
    harmed = await place.say("CAbad", "t2")
    if harmed.status not in ANSWERS:
        return f"{done}: the harmed call's turn was answered {harmed.status}: {harmed.body[:200]!r}"
    other = await place.say("CAgood", f"t{number}")
    if other.status != 200:
        return f"{done}: another call's turn was answered {other.status}: {other.body[:200]!r}"
    for path in READS[number % 3 :: 3]:
        answer = await place.look(path)
        if answer.status >= 500 and answer.status not in (501, 503) and UNREADABLE not in answer.body:
            return f"{done}: {path} was answered {answer.status}: {answer.body[:200]!r}"
    if found := [line for line in place.worker.log.splitlines() if any(bug in line for bug in BUGS)]:
        return f"{done}: the worker logged {found[-1][:2500]}"
    if found := [line for line in log.lines if any(bug in line for bug in BUGS)]:
        return f"{done}: the ingress logged {found[-1][:2500]}"
    return "" if place.worker.is_running else f"{done}: the worker has ended"


async def test_whatever_is_in_redis_harms_its_own_call_at_most(tmp_path: Path) -> None:
    with RedisServer() as server, error_log() as log:
        async with redis_place(server, tmp_path, SEED) as place:
            for number in range(INPUTS):
                wrong = await wrong_with(place, log, number)
                assert not wrong, f"input {number}: {wrong}"
