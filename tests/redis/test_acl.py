"""A user with no more rights than docs/redis.md asks for is enough for all that web and workers do."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.cluster import ClusterTopology
from support.servers import RedisServer
from topologies.failover import Callers, Outcome, Service

pytestmark = pytest.mark.processes

PAGE = Path(__file__).parents[2] / "docs" / "redis.md"
RIGHTS = ("+@all", "~voiceagent:*", "~{voiceagent:*", "~arq:*", "&voiceagent:*")


def allow(server: RedisServer) -> None:
    with server.client() as client:
        client.execute_command("ACL", "SETUSER", "ann", "on", ">p@ss", *RIGHTS)
        client.execute_command("ACL", "SETUSER", "default", "off")


@pytest.fixture(params=["one server", "cluster"])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    """Of a Redis that knows nobody else."""
    if request.param == "one server":
        with RedisServer() as server:
            allow(server)
            yield f"redis://ann:p%40ss@127.0.0.1:{server.port}/0"
    else:
        with ClusterTopology() as cluster:
            for node in cluster.nodes:
                allow(node)
            yield f"redis-cluster://ann:p%40ss@{cluster.hosts}"


async def test_the_rights_that_the_page_names_are_enough(url) -> None:
    asked = re.search(r"An ACL user needs (.+?)\.\n", PAGE.read_text(), re.DOTALL)
    assert asked is not None
    assert set(re.findall(r"`([^`]+)`", asked[1])) == set(RIGHTS)
    outcome = Outcome()
    async with Service(url) as service:
        people = Callers(service, 5)
        async with people.talking():
            await people.all_answered()
            await people.all_answered()
        await people.audit(outcome)
        assert "forbids" not in service.log()
        assert service.exits() == []
    assert (outcome.lost, outcome.changed, outcome.unanswered) == ([], [], 0)
    assert outcome.turns >= 10
