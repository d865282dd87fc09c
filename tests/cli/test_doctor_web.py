"""`voiceagent doctor` beside a real web process: does it look at the Redis that web uses?"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.program import clean_environment, programs
from support.sentinels import SentinelTopology
from support.servers import free_port
from support.terminal import run_script

pytestmark = pytest.mark.processes

KEY = "key-of-the-tests"


@pytest.fixture
def web(tmp_path: Path):
    """`web(**settings)` starts one; its URL."""
    with programs(tmp_path) as start:

        def web(**settings: str) -> str:
            port = free_port()
            environment = clean_environment(PORT=str(port), API_KEY=KEY, **settings)
            program = start("web", tmp_path, environment)
            program.wait_for(f"http://127.0.0.1:{port}/livez")
            return f"http://127.0.0.1:{port}"

        yield web


async def told_of_web(url: str, cwd: Path, **settings: str) -> list[tuple[str, str, str]]:
    """Level, message and advice of each finding about web."""
    given = {"API_KEY": KEY, **settings}
    _, output, errors = await run_script("doctor", "--json", "--url", url, cwd=cwd, settings=given)
    assert errors == ""
    findings = json.loads(output)["findings"]
    return [(f["level"], f["message"], f["advice"]) for f in findings if f["check"] == "web"]


async def test_it_says_whether_it_looks_at_the_redis_that_web_uses(
    tmp_path: Path, web: Callable[..., str], redis_url: str, start_redis
) -> None:
    url = web(USE_REDIS="true", REDIS_URL=redis_url)
    same = {"USE_REDIS": "true", "REDIS_URL": redis_url}
    assert (await told_of_web(url, tmp_path, **same))[-1] == ("ok", "It uses this Redis.", "")
    by_another_name = same | {"REDIS_URL": redis_url.replace("127.0.0.1", "localhost")}
    assert (await told_of_web(url, tmp_path, **by_another_name))[-1][0] == "ok"

    other = start_redis()
    level, message, advice = (await told_of_web(url, tmp_path, USE_REDIS="true", REDIS_URL=other.url))[-1]
    assert level == "problem"
    assert message == f"It uses another Redis, {redis_url}: what is said above is of {other.url}."
    assert "web's environment" in advice
    other_database = redis_url.rpartition("/")[0] + "/1"
    assert (await told_of_web(url, tmp_path, **same | {"REDIS_URL": other_database}))[-1][0] == "problem"
    level, message, _ = (await told_of_web(url, tmp_path))[-1]
    assert (level, message) == ("problem", f"It uses the Redis at {redis_url}; these settings use none.")

    level, message, _ = (await told_of_web(url, tmp_path, **same, API_KEY="another"))[-1]
    assert level == "note"
    assert "another one is set here" in message


async def test_web_without_redis_is_told_beside_a_redis_that_was_examined(
    tmp_path: Path, web: Callable[..., str], redis_url: str
) -> None:
    url = web(USE_REDIS="false")
    level, message, advice = (await told_of_web(url, tmp_path, USE_REDIS="true", REDIS_URL=redis_url))[-1]
    assert level == "problem"
    assert "It keeps calls in memory" in message
    assert "USE_REDIS=true" in advice
    assert (await told_of_web(url, tmp_path, USE_REDIS="false"))[-1][0] == "ok"


@pytest.mark.parametrize(
    ("options", "says", "advises"),
    [
        ("", "has Sentinels that require a password of their own.", "?sentinel_password="),
        ("?sentinel_password=wrong", "has Sentinels that refuse the user or the password.", "sentinel_password"),
    ],
)
async def test_a_sentinels_own_password_is_told_from_that_of_the_servers(tmp_path, options, says, advises) -> None:
    with SentinelTopology(password="servers", sentinel_password="sentinels") as topology:
        settings = {"USE_REDIS": "true", "REDIS_URL": topology.url + options, "PORT": str(free_port())}
        _, output, _ = await run_script("doctor", "--json", cwd=tmp_path, settings=settings)
    found = next(f for f in json.loads(output)["findings"] if f["check"] == "connection")
    assert says in found["message"]
    assert advises in found["advice"]
    assert "REDIS_PASSWORD" not in found["advice"]


async def test_a_sentinel_without_a_password_says_where_it_stands(tmp_path) -> None:
    with SentinelTopology() as topology:
        settings = {"USE_REDIS": "true", "REDIS_URL": f"{topology.url}?sentinel_password=x", "PORT": str(free_port())}
        _, output, _ = await run_script("doctor", "--json", cwd=tmp_path, settings=settings)
    found = next(f for f in json.loads(output)["findings"] if f["check"] == "connection")
    assert "Take sentinel_password out of REDIS_URL." in found["advice"]
