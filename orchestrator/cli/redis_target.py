"""The Redis that a command reads: that of the settings, or the embedded one of `voiceagent dev` in this directory."""

from pydantic import SecretStr

from orchestrator.cli.embedded import DIRECTORY
from orchestrator.settings import Settings


def with_used_redis(settings: Settings) -> Settings:
    """Return the settings; if they name no Redis and `voiceagent dev` runs in this directory, with its server."""
    socket = DIRECTORY.absolute() / "valkey.sock"
    if settings.model_fields_set & {"redis_url", "redis_host", "use_redis"} or not socket.exists():
        return settings
    return settings.model_copy(update={"redis_url": SecretStr(f"unix://{socket}?db=0"), "use_redis": True})
