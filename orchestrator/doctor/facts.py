"""What the doctor measures of Redis and of its content. Nothing is judged here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from orchestrator.events.outbox_report import OutboxReport
from orchestrator.worker_versions.plan import RolloutPlan


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """One server. `info` is what INFO says; `pings_ms` how long each of several PINGs took. `trouble` is the
    sentence that says why this node of a cluster could not be looked at, or "".

    `ahead_seconds` is by how much its clock is ahead of ours, within half of the quickest PING.
    `config` holds the options that were read; it is empty where CONFIG is forbidden, as with most hosted services.
    """

    place: str
    info: Mapping[str, Any] = field(default_factory=dict)
    config: Mapping[str, str] = field(default_factory=dict)
    pings_ms: tuple[float, ...] = ()
    ahead_seconds: float = 0.0
    trouble: str = ""

    @property
    def median_ms(self) -> float:
        """The median PING, in milliseconds."""
        return median(self.pings_ms) if self.pings_ms else 0.0

    @property
    def product(self) -> str:
        """Valkey or Redis, and its version."""
        if "valkey_version" in self.info:
            return f"Valkey {self.info['valkey_version']}"
        return f"Redis {self.info.get('redis_version', '?')}"

    @property
    def version(self) -> tuple[int, int]:
        """The version of Redis whose commands it has."""
        parts = str(self.info.get("redis_version", "0.0")).split(".")
        return int(parts[0]), int(parts[1]) if len(parts) > 1 else 0


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """The nodes of a cluster together. `slots_away` is how many slots no reachable node serves."""

    masters: int = 0
    replicas: int = 0
    slots_away: int = 0


@dataclass(frozen=True, slots=True)
class SystemFacts:
    """What is in Redis. `without_ttl` are keys of ours without a time to live, of the `keys_seen` looked at.

    `workers` is the status that live workers report; `heartbeat_age_seconds` is None when no cron job has left one.
    `outbox` is the report on undelivered events, None if no worker has left one lately. `schedules` counts the calls
    that have something scheduled, `late_schedules` those of them at which nobody has looked in time.
    """

    keys_seen: int = 0
    all_keys_seen: bool = True
    without_ttl: tuple[str, ...] = ()
    states: int = 0
    active_calls: int = 0
    workers: tuple[Mapping[str, Any], ...] = ()
    queue_depth: int = 0
    oldest_wait_seconds: float = 0.0
    dead_letters: int = 0
    heartbeat_age_seconds: float | None = None
    outbox: OutboxReport | None = None
    rollout: RolloutPlan = field(default_factory=RolloutPlan)
    schedules: int = 0
    late_schedules: int = 0


@dataclass(frozen=True, slots=True)
class SinkFacts:
    """A sink of events. `trouble` is the sentence that says why it cannot be used, or "".

    `loses_events`: events do not wait for it, they are refused at once.
    """

    name: str
    place: str
    trouble: str = ""
    advice: str = ""
    loses_events: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """All facts. `trouble` is the sentence that says why Redis could not be used, or "".

    `forbidden` names commands that the user may not run, with what is therefore unknown. `has_listener` is true if the
    web process that was asked receives replies through this Redis; None if that could not be seen.
    """

    place: str
    is_encrypted: bool = False
    has_password: bool = False
    kind: str = "standalone"
    trouble: str = ""
    servers: tuple[ServerFacts, ...] = ()
    cluster: ClusterFacts | None = None
    system: SystemFacts | None = None
    forbidden: tuple[str, ...] = ()
    fast_parser: bool = True
    has_listener: bool | None = None
