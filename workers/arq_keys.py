"""arq's own keys, on a Redis Cluster."""

import arq.connections
import arq.constants
import arq.jobs
import arq.worker


def keep_arq_within(tag: str) -> None:
    """Make all of arq's own keys in this process begin with `tag`, because its transactions must stay in one slot.

    arq has no setting for that: it reads the prefixes from constants, which each of its modules has imported.
    """
    for name in (
        "default_queue_name", "job_key_prefix", "in_progress_key_prefix", "result_key_prefix", "retry_key_prefix",
        "abort_jobs_ss",
    ):  # fmt: skip
        plain = getattr(arq.constants, name)
        for module in (arq.constants, arq.connections, arq.jobs, arq.worker):
            if hasattr(module, name) and not plain.startswith(tag):
                setattr(module, name, tag + plain)
