"""A call is erased: its words are nowhere in Redis any more, and a captured webhook brings nothing back."""

import asyncio
from contextlib import suppress
from typing import Any

import httpx
import pytest
from support.deployment import API_KEY, PUBLIC_URL, TOKEN
from support.told_events import ToldEvents
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator.conversation.turn import Turn
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.redis import keys
from orchestrator.turns.dead_letter import DeadLetter

pytestmark = pytest.mark.processes

SECRET = "my number is four seven one one"


def buried(call_sid: str) -> tuple[str, str]:
    turn = Turn(turn_id="turn-9", call_sid=call_sid, kind="speech", text=SECRET)
    letter = DeadLetter(turn=turn, attempts=3, reason="its worker was lost")
    return letter.key, letter.model_dump_json()


def contents(client: Any) -> str:
    """All that there is in the server, as text."""
    found = []
    for key in client.scan_iter():
        kind = client.type(key)
        value = {
            "string": client.get, "hash": client.hgetall, "list": lambda k: client.lrange(k, 0, -1),
            "zset": lambda k: client.zrange(k, 0, -1), "none": lambda k: "",  # it has gone meanwhile
        }[kind](key)  # fmt: skip
        found.append(f"{key} {value}")
    return "\n".join(found)


@pytest.mark.parametrize("query", ["", "?erase=true"], ids=["deleted", "erased everywhere"])
async def test_an_erased_call_leaves_no_words_and_no_way_back(deploy, line, query):
    deployment = await deploy(webs=2, workers=1)
    caller = line(deployment)
    await caller.ring()
    form = CallIdentity("CA1").fields("in-progress", {"SpeechResult": SECRET})
    captured = {"X-Twilio-Signature": RequestValidator(TOKEN).compute_signature(PUBLIC_URL + "/twilio/turn/1", form)}
    assert SECRET in await caller.words(await caller.say(1, SECRET))
    client = deployment.redis.client()
    for call_sid in ("CA1", "CA1/other", "CA11"):
        client.hset(keys.DEAD_LETTERS, *buried(call_sid))
    client.hset(keys.DEAD_LETTERS, "CA1/turn-8", f"of a newer version: {SECRET}")
    client.expire(keys.DEAD_LETTERS, 600)

    async with httpx.AsyncClient(base_url=deployment.ingresses[0], timeout=60) as api:
        answer = await api.delete(f"/calls/CA1{query}", headers={"Authorization": f"Bearer {API_KEY}"})
        assert answer.status_code == 204, answer.text
    assert sorted(client.hkeys(keys.DEAD_LETTERS)) == ["CA1/other/turn-9", "CA11/turn-9"]
    client.delete(keys.DEAD_LETTERS)
    assert SECRET not in contents(client)

    async with httpx.AsyncClient(base_url=deployment.ingresses[1], timeout=60) as attacker:
        again = await attacker.post("/twilio/turn/1", data=form, headers=captured)
    assert again.status_code == 200
    assert SECRET not in again.text
    assert "<Hangup" in again.text
    assert "<Hangup" in (await caller.ring(at=1)).text
    assert client.exists(keys.state("CA1")) == 0
    tombstones = list(client.scan_iter("voiceagent:erased:*"))
    assert len(tombstones) == 1
    assert 23 * 3600 < client.ttl(tombstones[0]) <= 24 * 3600
    assert "CA1" not in tombstones[0]


async def test_an_erasure_whose_process_is_killed_is_completed_by_another(deploy, line):
    """The workers run and deliver meanwhile, one of them dies as well, and the caller goes on talking."""
    async with ToldEvents() as told:
        deployment = await deploy(webs=2, workers=2, **told.settings, EVENTS="call.started,call.ended,call.erased")
        caller = line(deployment)
        await caller.ring()
        assert SECRET in await caller.words(await caller.say(1, SECRET))
        headers = {"Authorization": f"Bearer {API_KEY}"}

        async def erase(at: int) -> int:
            async with httpx.AsyncClient(base_url=deployment.ingresses[at], timeout=60) as api:
                return (await api.delete("/calls/CA1?erase=true", headers=headers)).status_code

        talking = [asyncio.create_task(caller.say(number, SECRET, at=1)) for number in (2, 3)]
        first = asyncio.create_task(erase(0))
        client = deployment.redis.client()
        await wait_until(lambda: list(client.scan_iter("voiceagent:erased:*")), "the erasure has begun")
        await deployment.webs[0].kill()
        await deployment.workers[0].kill()
        with suppress(httpx.HTTPError):
            await first
        assert await erase(1) == 204
        await asyncio.gather(*talking)
        assert await erase(1) == 204

        def is_gone() -> bool:
            return SECRET not in (found := contents(client)) and "CA1" not in found

        await wait_until(is_gone, "nothing names the call any more", timeout=60)
        assert SECRET not in str([event.data for event in told.of("CA1")])
        assert [event.type for event in told.of("CA1")][-1] == "call.erased"
