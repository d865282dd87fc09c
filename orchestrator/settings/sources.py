"""The environment as a source of settings, without Kubernetes' service links.

For each service of a namespace Kubernetes sets variables in every container (the form of Docker's old links): a service
called `redis` makes `REDIS_PORT=tcp://10.0.0.1:6379`. A pod's own variables have precedence over these, so nobody wrote
a value of this form for us, and it must not hide a `REDIS_PORT` in `.env`.
"""

from typing import Any
from urllib.parse import urlsplit

from pydantic_settings import EnvSettingsSource

SERVICE_LINK = "redis_service_link"
"""The name of a service link among the values."""
LINK_SCHEMES = ("tcp://", "udp://")


class Environment(EnvSettingsSource):
    """The process's environment."""

    def __call__(self) -> dict[str, Any]:
        """Return the values found; Kubernetes' `REDIS_PORT` under another name."""
        values = super().__call__()
        if is_service_link(values.get("redis_port")):
            values[SERVICE_LINK] = values.pop("redis_port")
        return values


def is_service_link(value: object) -> bool:
    """True if Kubernetes set this value."""
    return isinstance(value, str) and value.strip().lower().startswith(LINK_SCHEMES)


def linked_port(link: str, host: object) -> int | None:
    """Return the port of the service link `link` if `host` names that service; else None."""
    try:
        parts = urlsplit(link.strip())
        return parts.port if host in ("redis", parts.hostname) else None
    except ValueError:
        return None
