"""Asks Sentinels for the master, and whether they have a quorum.

A Sentinel that was cut off from most of the others still names the master it knew, while those may name another one.
It reports this when asked: `SENTINEL CKQUORUM` answers NOQUORUM where a Sentinel does not reach as many others as a
failover takes (https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/). What it names is ignored.
"""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import NoPermissionError, RedisError, ResponseError

Address = tuple[str, int]

ANSWER_SECONDS = 1.0
"""How long connecting to a Sentinel and its answer may take."""
DENIED_SECONDS = 1.0
"""How long the named master is still used after the last answer of a Sentinel with a quorum, while other Sentinels
report that they have none: Sentinels that all hang for a moment are not a partition."""
SILENT_SECONDS = 2.0
"""The same while no Sentinel answers at all. If `down-after-milliseconds` is longer, that counts: the Sentinels cannot
have named another master before."""

REJOIN_SECONDS = 3.0
"""How long a Sentinel is ignored that regains a quorum after a long time without, unless it names another master. It
may name the old one until the others, which publish their view every two seconds, have told it."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one Sentinel answers. `address` is None if it knows no healthy master."""

    address: Address | None
    knows_service: bool
    has_quorum: bool
    down_after_seconds: float

    @property
    def is_authoritative(self) -> bool:
        """True if its answer counts: it knows the service and has a quorum."""
        return self.knows_service and self.has_quorum


class MasterSearch:
    """The Sentinels of one service, for one pool of connections to its master. `clock` is monotonic, in seconds."""

    def __init__(self, sentinels: Sentinel, service: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sentinels = sentinels
        self._service = service
        self._named: Address | None = None
        self._confirmed_at = -math.inf
        self._silent_seconds = SILENT_SECONDS
        self._is_denied = False
        self._doubted_until = -math.inf

    def is_trusted(self) -> bool:
        """True if a Sentinel with a quorum has confirmed the master that was named last, not long ago."""
        seconds = self._clock() - self._confirmed_at
        return seconds < (DENIED_SECONDS if self._is_denied or self._is_in_doubt else self._silent_seconds)

    def refusal(self) -> MasterNotFoundError:
        """Return the error to raise while the master is not trusted."""
        reason = "have no quorum" if self._is_denied or self._is_in_doubt else "do not answer"
        return MasterNotFoundError(f"No master found for {self._service!r}, as its Sentinels {reason}")

    async def master(self) -> Address:
        """Return the address of the master. Ask the Sentinel that answered last; if need be, then all others at once.

        Raises `MasterNotFoundError` if no Sentinel answers, none that answers has a quorum, or none knows a healthy
        master.
        """
        first, *others = self._sentinels.sentinels
        answers, errors = await self._ask([first])
        if others and not any(answer.is_authoritative and answer.address for _, answer in answers):
            more, more_errors = await self._ask(others)
            answers, errors = answers + more, errors + more_errors
        authoritative = [(sentinel, answer) for sentinel, answer in answers if answer.is_authoritative]
        self._record([answer for _, answer in answers], [answer for _, answer in authoritative])
        for sentinel, answer in authoritative:
            if answer.address is not None and not (self._is_in_doubt and answer.address == self._named):
                self._ask_first(sentinel)
                self._named, self._confirmed_at, self._doubted_until = answer.address, self._clock(), -math.inf
                return answer.address
        if self._is_denied or self._is_in_doubt:
            raise self.refusal()
        reasons = f" : {', '.join(errors)}" if errors else ""
        raise MasterNotFoundError(f"No master found for {self._service!r}{reasons}")

    @property
    def _is_in_doubt(self) -> bool:
        return self._clock() < self._doubted_until

    def _record(self, answers: list[_Answer], authoritative: list[_Answer]) -> None:
        if authoritative:
            if self._is_denied and not self.is_trusted():
                self._doubted_until = self._clock() + REJOIN_SECONDS
            elif not self._is_in_doubt:
                self._confirmed_at = self._clock()
            self._silent_seconds = max(SILENT_SECONDS, *(answer.down_after_seconds for answer in authoritative))
        self._is_denied = not authoritative and any(answer.knows_service for answer in answers)

    def _ask_first(self, sentinel: Any) -> None:
        all_of_them = self._sentinels.sentinels
        self._sentinels.sentinels = [sentinel, *(other for other in all_of_them if other is not sentinel)]

    async def _ask(self, sentinels: list[Any]) -> tuple[list[tuple[Any, _Answer]], list[str]]:
        """Return the answers of those that answered, and the failures of the others as text."""
        found = await asyncio.gather(*map(self._answer_of, sentinels), return_exceptions=True)
        answers: list[tuple[Any, _Answer]] = []
        errors: list[str] = []
        for sentinel, answer in zip(sentinels, found, strict=True):
            if isinstance(answer, _Answer):
                answers.append((sentinel, answer))
            elif isinstance(answer, RedisError | OSError):
                errors.append(f"{type(answer).__name__}: {answer}")
            elif isinstance(answer, BaseException):
                raise answer
        return answers, errors

    async def _answer_of(self, sentinel: Redis) -> _Answer:
        async with asyncio.timeout(ANSWER_SECONDS), sentinel.pipeline(transaction=False) as pipe:
            pipe.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", self._service)
            pipe.execute_command("SENTINEL MASTER", self._service)
            pipe.execute_command("SENTINEL CKQUORUM", self._service)
            named, state, quorum = await pipe.execute(raise_on_error=False)
        for answer in (named, state, quorum):
            if _is_failure(answer):
                raise answer
        known = state if isinstance(state, dict) else {}
        return _Answer(
            address=None if named is None or _is_down(known, named) else (_text(named[0]), int(named[1])),
            knows_service=named is not None,
            has_quorum=not isinstance(quorum, Exception) or not str(quorum).startswith("NOQUORUM"),
            down_after_seconds=int(known.get("down-after-milliseconds", 0)) / 1000,
        )


def _is_failure(answer: Any) -> bool:
    """True if `answer` says nothing about the service: the server is not a Sentinel, or requires a password.

    A Sentinel that forbids a command, or does not know the service, has answered.
    """
    if not isinstance(answer, Exception):
        return False
    said = str(answer)
    is_about_it = isinstance(answer, NoPermissionError) or said.startswith(("NOQUORUM", "No such master"))
    return not (isinstance(answer, ResponseError) and is_about_it)


def _is_down(state: dict[str, Any], named: tuple[Any, Any]) -> bool:
    """True if the Sentinel takes the master `named` for dead.

    During a failover `state` is that of the old master, while the new one is already named.
    """
    flags = state.get("flags", "")
    is_the_same = (state.get("ip"), state.get("port")) == (_text(named[0]), int(named[1]))
    return is_the_same and any(flag in flags for flag in ("s_down", "o_down"))


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
