"""A call is erased: its words are nowhere in Redis any more, and a captured webhook brings nothing back."""

from typing import Any

import httpx
import pytest
from support.deployment import API_KEY, PUBLIC_URL, TOKEN
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
            "zset": lambda k: client.zrange(k, 0, -1),
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
