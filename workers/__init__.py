"""The worker process (`python -m workers`), and what other programs need to enqueue jobs for it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workers.arq_client import producer_pool as producer_pool

__all__ = ["producer_pool"]


def __getattr__(name: str) -> Any:
    """Import on first use: the worker itself does not need these, and `WorkerSettings` reads the environment."""
    if name == "producer_pool":
        from workers.arq_client import producer_pool

        return producer_pool
    if name == "WorkerSettings":
        from workers.arq_client import worker_settings

        return worker_settings()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
