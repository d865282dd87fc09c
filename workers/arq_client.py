"""What other programs need to use the workers through arq: a client, and the settings of `arq --check`."""

from typing import Any

from arq.connections import ArqRedis, RedisSettings
from arq.constants import health_check_key_suffix
from arq.jobs import Job

from orchestrator import clock
from orchestrator.errors import BadSetting
from orchestrator.redis import keys
from orchestrator.redis.cluster import ClusterPool
from orchestrator.redis.connections import connection_pool, parsed_url
from orchestrator.settings import Settings, load_settings
from orchestrator.settings.redis_url import RedisUrl
from workers.arq_keys import keep_arq_within
from workers.functions import run_turns
from workers.job_format import read_job, write_job
from workers.wake_up import wake_worker


class ProducerPool(ArqRedis):
    """arq's client, with our format of jobs and the server's time, which wakes a worker for each job."""

    async def enqueue_job(self, function: str, *args: Any, **options: Any) -> Job | None:
        """Enqueue a job as `ArqRedis` does. Return None if there is a job or a result of that id."""
        if not options.get("_defer_until") and not options.get("_defer_by"):
            options["_defer_until"] = clock.utc_now()  # arq would use the clock of this machine
        job = await super().enqueue_job(function, *args, **options)
        if job is not None:
            wake = keys.wake_list(options.get("_queue_name") or self.default_queue_name)
            await wake_worker(self, wake)
        return job


def producer_pool(settings: Settings | None = None) -> ProducerPool:
    """Return a client for the Redis of `settings` (default: the environment's); it connects when it is first used.

    `async with producer_pool() as pool: await pool.enqueue_job("run_turns", call_sid)`. Raise `BadSetting`.
    """
    pool = connection_pool(settings or load_settings())
    redis = ProducerPool(pool_or_conn=pool, job_serializer=write_job, job_deserializer=read_job)
    redis.auto_close_connection_pool = True
    if isinstance(pool, ClusterPool):
        redis.default_queue_name = keys.SHARDS[0].queue
        keep_arq_within(keys.SHARDS[0].tag)
    return redis


def worker_settings(settings: Settings | None = None) -> type:
    """Return the class that `arq --check workers.WorkerSettings` reads. Raise `BadSetting` if arq cannot connect."""
    redis_settings = _redis_settings(parsed_url(found := settings or load_settings()), found)
    queue = keys.SINGLE_SHARD.queue
    return type(
        "WorkerSettings",
        (),
        {
            "functions": [run_turns],
            "queue_name": queue,
            "health_check_key": queue + health_check_key_suffix,
            "redis_settings": redis_settings,
            "job_serializer": staticmethod(write_job),
            "job_deserializer": staticmethod(read_job),
            "on_startup": staticmethod(_refuse),
        },
    )


def _redis_settings(url: RedisUrl, settings: Settings) -> RedisSettings:
    options: dict[str, Any] = {"database": url.db, "username": url.username, "password": url.password}
    if url.is_cluster or (url.is_sentinel and (url.is_tls or url.options)):
        raise BadSetting("REDIS_URL: arq's command cannot connect to this kind of Redis. Use: voiceagent doctor")
    if url.is_sentinel:
        return RedisSettings(host=list(url.hosts), sentinel=True, sentinel_master=url.service, **options)
    if url.scheme == "unix":
        return RedisSettings(unix_socket_path=url.path, **options)
    host, port = url.hosts[0]
    requirement = url.options.get("ssl_cert_reqs") or "required"
    return RedisSettings(
        host=host, port=port, ssl=url.is_tls, ssl_cert_reqs=requirement, ssl_check_hostname=requirement == "required",
        ssl_ca_certs=settings.redis_ca_file, ssl_certfile=settings.redis_cert_file, ssl_keyfile=settings.redis_key_file,
        **options,
    )  # fmt: skip


async def _refuse(ctx: dict[Any, Any]) -> None:
    """Refuse to start: arq's own worker has no leases and ends with Redis. The settings are for `arq --check` alone."""
    raise BadSetting("Start a worker with: python -m workers")
