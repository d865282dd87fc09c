"""Redis has no memory left, and evicts nothing."""

import pytest

pytestmark = pytest.mark.processes


async def test_a_full_redis_refuses_new_calls_politely_and_lets_running_ones_go_on(deploy, line):
    deployment = await deploy(webs=1, workers=1, redis=("--maxmemory-policy", "noeviction"))
    running, late = line(deployment, "CA-running"), line(deployment, "CA-late")
    await running.ring()

    with deployment.redis.client() as client:
        client.config_set("maxmemory", "1")
        for number in range(1, 4):
            assert await running.words(await running.say(number, f"number {number}")) == f"You said number {number}."
        refused = await running.hear(await late.ring())
        assert "busy" in "".join(refused.itertext()).lower()
        assert refused.find("Hangup") is not None
        assert client.exists("voiceagent:state:CA-late") == 0

        client.config_set("maxmemory", "0")
    assert await late.words(await late.ring()) == "Hello."
    assert [turn for turn, _ in await running.recorded()] == ["start", "turn-1", "turn-2", "turn-3"]
