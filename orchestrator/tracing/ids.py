"""Trace and span ids that follow from the turn, so that processes that know nothing of each other agree on them.

A trace id that is made from the call SID and the turn id is as evenly spread as a random one, which samplers by ratio
rely on. The id of a run's span follows from the epoch of its lease: the next run links to it, although the worker that
made it may have died before it exported anything.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator


def trace_id_of(call_sid: str, turn_id: str) -> int:
    """Return the id of the trace of a turn."""
    return _hash(f"{len(call_sid)}:{call_sid}{turn_id}", 16)


def run_span_id(trace_id: int, epoch: int) -> int:
    """Return the id of the span of the run that a turn had under the lease with this epoch."""
    return _hash(f"{trace_id:032x}:{epoch}", 8)


def _hash(text: str, size: int) -> int:
    digest = blake2b(text.encode(errors="surrogatepass"), digest_size=size).digest()
    return int.from_bytes(digest, "big") or 1  # 0 is no id


class TurnIds(IdGenerator):
    """Random ids, but for the span that is started inside of `given`."""

    def __init__(self) -> None:
        self._random = RandomIdGenerator()
        self._given = threading.local()

    @contextmanager
    def given(self, *, trace_id: int | None = None, span_id: int | None = None) -> Iterator[None]:
        """Let the span that is started in this block, by this thread, have these ids."""
        self._given.trace_id, self._given.span_id = trace_id, span_id
        try:
            yield
        finally:
            self._given.trace_id = self._given.span_id = None

    def generate_trace_id(self) -> int:
        """Return the given trace id, or a random one."""
        return getattr(self._given, "trace_id", None) or self._random.generate_trace_id()

    def generate_span_id(self) -> int:
        """Return the given span id, or a random one."""
        return getattr(self._given, "span_id", None) or self._random.generate_span_id()
