"""The judgement of a Redis Cluster as a whole."""

from collections.abc import Iterable, Iterator

from orchestrator.doctor.facts import ClusterFacts, ServerFacts
from orchestrator.doctor.finding import Finding

SLOTS = 16_384
LEAST_MASTERS = 3
LONG_NODE_TIMEOUT_MS = 5000


def judge_cluster(cluster: ClusterFacts, servers: Iterable[ServerFacts]) -> Iterator[Finding]:
    """Yield the findings about the cluster, apart from those about each node."""
    there = f"There are {cluster.masters} masters and {cluster.replicas} replicas."
    if cluster.slots_away:
        yield Finding(
            "cluster", "problem", f"{there} {cluster.slots_away} of {SLOTS} slots are served by nobody in reach.",
            "Bring back the node that had them, or look at `redis-cli --cluster check HOST:PORT`. Every node must be "
            "reached from here under the name that CLUSTER SLOTS gives it.",
        )  # fmt: skip
    elif cluster.masters < LEAST_MASTERS:
        yield Finding(
            "cluster", "warning", there, "Have three masters or more: it takes most of them to let a replica take over."
        )
    else:
        yield Finding("cluster", "ok", f"{there} They serve all slots.")
    slowest = max((int(server.config.get("cluster-node-timeout", "0") or 0) for server in servers), default=0)
    if slowest > LONG_NODE_TIMEOUT_MS:
        yield Finding(
            "cluster", "note", f"cluster-node-timeout is {slowest} ms.",
            "When a master dies, its callers are held for that long and a little more. 2000 to 5000 will do.",
        )  # fmt: skip
