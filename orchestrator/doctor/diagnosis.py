"""All judgements together, in the order in which a person repairs things."""

from collections.abc import Iterator, Mapping, Sequence

from orchestrator.doctor.cluster import judge_cluster
from orchestrator.doctor.configuration import judge_settings
from orchestrator.doctor.encryption import judge_encryption
from orchestrator.doctor.events import judge_events
from orchestrator.doctor.facts import Facts, ServerFacts, SinkFacts
from orchestrator.doctor.finding import Finding
from orchestrator.doctor.names import judge_names
from orchestrator.doctor.schedules import judge_schedules
from orchestrator.doctor.server import judge_confirmation, judge_server
from orchestrator.doctor.system import judge_system
from orchestrator.settings import Settings

PARSER = "Install hiredis: pip install 'hiredis>=3'. It reads Redis' answers several times as fast."


def diagnose(
    settings: Settings,
    facts: Facts | None,
    variables: Mapping[str, str] | None = None,
    sinks: Sequence[SinkFacts] = (),
) -> Iterator[Finding]:
    """Return every finding. `facts` is None if no Redis is used; `variables` are those that settings are read from."""
    yield from judge_settings(settings)
    yield from judge_names(variables or {})
    yield from _of_redis(settings, facts)
    yield from judge_events(sinks, None if facts is None else facts.system)


def _of_redis(settings: Settings, facts: Facts | None) -> Iterator[Finding]:
    if facts is None:
        yield Finding(
            "redis", "note", "USE_REDIS is false: calls live in the memory of one process and end with it.",
            "For more than a laptop, set USE_REDIS=true and start workers.",
        )  # fmt: skip
        return
    if facts.trouble:
        says, _, advice = facts.trouble.partition(". ")
        yield Finding("connection", "problem", says if says.endswith(".") else f"{says}.", advice)
        return
    yield Finding("connection", "ok", f"Redis answers at {facts.place} ({facts.kind}).")
    if not facts.fast_parser:
        yield Finding("connection", "warning", "The fast protocol parser is not installed.", PARSER)
    for unknown in facts.forbidden:
        yield Finding(
            "connection", "note", f"This user may not run {unknown}.", "Give the user +info, or look by hand."
        )
    if facts.cluster is not None:
        yield from judge_cluster(facts.cluster, facts.servers)
    for server in facts.servers:
        several = f"{server.place}: " if len(facts.servers) > 1 else ""
        for finding in _of_server(settings, server, facts.kind):
            yield Finding(finding.check, finding.level, several + finding.message, finding.advice)
    if facts.system is not None:
        yield from judge_system(facts.system)
        yield from judge_schedules(facts.system)
        yield from judge_encryption(settings.encryption_keys, facts.system.workers)


def _of_server(settings: Settings, server: ServerFacts, kind: str) -> Iterator[Finding]:
    if server.trouble:
        says, _, advice = server.trouble.partition(". ")
        yield Finding("node", "problem", says if says.endswith(".") else f"{says}.", advice)
        return
    yield from judge_server(server, kind)
    if settings.redis_wait_replicas and server.info.get("role") == "master":
        yield judge_confirmation(server, settings.redis_wait_replicas)
