"""How jobs and their results are written: as JSON, never as pickle, since whoever unpickles runs what the writer wants.

arq's producers pickle by default. A job that one of them wrote is not read; its result says so, in the form that its
producer reads: writing a pickle is safe, reading one is not.
"""

import json
import pickle
from typing import Any

from arq.jobs import SerializationError

PICKLE_MARK = b"\x80"
"""How every pickle since protocol 2 begins; JSON never does."""


class PickledJob(ValueError):
    """A job that was written with pickle, arq's default."""

    def __init__(self) -> None:
        super().__init__(
            "This worker reads jobs written as JSON and never unpickles. Connect with workers.producer_pool(settings), "
            "or give ArqRedis a job_serializer and a job_deserializer that write and read JSON."
        )


def read_job(body: bytes) -> dict[str, Any]:
    """Return a job. Raise `PickledJob`, or `ValueError` for what is no JSON object."""
    if body[:1] == PICKLE_MARK:
        raise PickledJob
    job = json.loads(body)
    if not isinstance(job, dict):
        raise ValueError("a job is a JSON object")
    return job


def write_job(value: dict[str, Any]) -> bytes:
    """Return a job or a result as JSON; as a pickle only the result that tells a pickling producer of `PickledJob`."""
    failure = value.get("r")
    if isinstance(failure, SerializationError) and isinstance(failure.__cause__, PickledJob):
        return pickle.dumps({**value, "r": SerializationError(str(failure.__cause__))})
    return json.dumps(value, default=repr).encode()
