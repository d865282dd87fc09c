"""A user with no more rights than docs/redis.md asks for is enough for all that web, workers and the doctor do."""

import re
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files
from pathlib import Path

import pytest
from redis.asyncio.client import Pipeline
from redis.exceptions import NoPermissionError
from support.cluster import ClusterTopology
from support.servers import RedisServer
from support.terminal import run_script
from topologies.failover import Callers, Outcome, Service

from orchestrator.redis.rights import COMMANDS, acl_rules

_CALL = r"\b(?:redis|pipe|pipeline|pool|tr|client|_node|node\([\w.()]*\)\))\.(\w+)\("
_COMMANDS = {
    "delete": "del", "hscan_iter": "hscan", "incr": "incrby", "pubsub_numsub": "pubsub|numsub", "scan_iter": "scan",
    "script_load": "script|load",
}  # fmt: skip
"""Methods of a client that are not called as their commands are."""
_NO_COMMANDS = {"aclose", "close", "execute", "execute_command", "pipeline", "register_script", "reset", "config_get"}
"""What sends none; and CONFIG GET, without which the doctor does."""
PAGE = Path(__file__).parents[2] / "docs" / "redis.md"


def allow(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "ann", "on", ">p@ss", *acl_rules())


CHAOS = Path(str(files("orchestrator.chaos")))
"""It closes others' connections, which the product may not: it asks for that right before it begins."""


def refused(server: RedisServer) -> list[str]:
    """What the server has forbidden anybody: commands, keys and channels. Redis 6.2 does not name a subcommand."""
    with server.client() as client:
        return [entry["object"].partition("|")[0] for entry in client.execute_command("ACL LOG")]


def test_the_page_names_these_rights() -> None:
    (block,) = re.findall(r"^ACL SETUSER voiceagent on >PASSWORD (.+?)\n```", PAGE.read_text(), re.DOTALL | re.M)
    assert block.replace("\\\n", " ").split() == acl_rules()


def test_every_command_of_a_script_is_among_them() -> None:
    scripts = [path.read_text() for path in (Path(str(files("orchestrator.redis"))) / "lua").rglob("*.lua")]
    called = {
        name.lower()
        for text in scripts
        for name in re.findall(r"(?:redis\.|pcall\(redis\.)p?call(?:\(|, )'(\w+)'", text)
    }
    assert called
    assert called - {"pubsub"} <= set(COMMANDS)
    asked = {name.lower() for text in scripts for name in re.findall(r"'PUBSUB', '(\w+)'", text)}
    assert {f"pubsub|{name}" for name in asked} <= set(COMMANDS)


@pytest.mark.parametrize("package", ["arq", "orchestrator", "workers"])
def test_every_command_of_a_client_is_among_them(package: str) -> None:
    """By the methods that are called on what looks like a client: those of rare paths are met in no other test."""
    (place,) = import_module(package).__path__
    texts = [path.read_text() for path in Path(place).rglob("*.py") if not path.is_relative_to(CHAOS)]
    methods = {method for text in texts for method in re.findall(_CALL, text)} & set(dir(Pipeline))
    assert "pipeline" in methods
    commands = {_COMMANDS.get(method, method) for method in methods - _NO_COMMANDS}
    assert commands <= set(COMMANDS)


@pytest.mark.parametrize(
    "command",
    [
        "FLUSHALL", "FLUSHDB", "KEYS *", "CONFIG GET requirepass", "CONFIG SET maxmemory 1", "SHUTDOWN NOSAVE",
        "ACL LIST", "CLIENT LIST", "MONITOR", "REPLICAOF NO ONE", "SAVE", "SCRIPT FLUSH", "SCRIPT KILL", "GET other",
        "SET arqx 1", "PUBLISH other x", "CLUSTER RESET", "SWAPDB 0 1", "MIGRATE 127.0.0.1 1 x 0 1",
    ],
)  # fmt: skip
def test_they_allow_nothing_that_hurts_others(start_redis, command: str) -> None:
    server = start_redis()
    allow(server)
    with server.client(username="ann", password="p@ss") as client:
        assert client.ping()
        with pytest.raises(NoPermissionError):
            client.execute_command(*command.split())


@pytest.fixture(params=["one server", "cluster"])
def system(request: pytest.FixtureRequest) -> Iterator[tuple[str, list[RedisServer]]]:
    """The URL of a Redis that has such a user, and its servers."""
    if request.param == "one server":
        with RedisServer("--appendonly", "yes", "--maxmemory-policy", "noeviction") as server:
            allow(server)
            yield f"redis://ann:p%40ss@127.0.0.1:{server.port}/0", [server]
    else:
        with ClusterTopology() as cluster:
            for node in cluster.nodes:
                allow(node)
            yield f"redis-cluster://ann:p%40ss@{cluster.hosts}", cluster.nodes


async def run(url: str, *arguments: str) -> str:
    """What `voiceagent` says."""
    settings = {"USE_REDIS": "true", "REDIS_URL": url, "AGENT": "echo"}
    _, said, complaints = await run_script(*arguments, cwd=Path.cwd(), settings=settings)
    return said + complaints


@pytest.mark.processes
async def test_nothing_that_we_do_is_refused(system) -> None:
    url, servers = system
    outcome = Outcome()
    async with Service(url) as service:
        people = Callers(service, 5)
        async with people.talking():
            await people.all_answered()
            await people.all_answered()
        await people.audit(outcome)
        assert "forbid" not in await run(url, "doctor")
        assert "forbid" not in await run(url, "dead")
        assert "forbids" not in service.log()
        assert service.exits() == []
    assert (outcome.lost, outcome.changed, outcome.unanswered) == ([], [], 0)
    assert outcome.turns >= 10
    assert [what for server in servers for what in refused(server)] == ["config"] * len(servers)
