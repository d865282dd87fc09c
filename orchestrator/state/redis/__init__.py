"""States in Redis. `RedisStateManager` is public under this name: docs/redis.md builds one."""

from orchestrator.state.redis.manager import RedisStateManager

__all__ = ["RedisStateManager"]
