"""The format of jobs and results: JSON, never pickle, because a process that unpickles runs the code of the writer.

arq's producers pickle by default. The worker does not read such a job. It writes an error as its result, pickled so
that the producer can read it: writing a pickle is safe, reading one is not.
"""

import json
import pickle
from typing import Any

from arq.jobs import SerializationError

PICKLE_MARK = b"\x80"
"""The first byte of every pickle since protocol 2. No JSON begins with it."""


class PickledJob(ValueError):
    """A job that was written with pickle, arq's default."""

    def __init__(self) -> None:
        super().__init__(
            "This worker reads jobs written as JSON and never unpickles. Connect with workers.producer_pool(settings), "
            "or give ArqRedis a job_serializer and a job_deserializer that write and read JSON."
        )


def read_job(body: bytes) -> dict[str, Any]:
    """Return a job. Raise `PickledJob`, or `ValueError` for anything that is not a JSON object."""
    if body[:1] == PICKLE_MARK:
        raise PickledJob
    job = json.loads(body)
    if not isinstance(job, dict):
        raise ValueError("a job is a JSON object")
    return job


def write_job(value: dict[str, Any]) -> bytes:
    """Return a job or a result as JSON. Only a result that reports `PickledJob` is returned as a pickle."""
    failure = value.get("r")
    if isinstance(failure, SerializationError) and isinstance(failure.__cause__, PickledJob):
        return pickle.dumps({**value, "r": SerializationError(str(failure.__cause__))})
    return json.dumps(value, default=repr).encode()
