"""Asks Sentinels who is the master, and whether they may still speak for it.

A Sentinel that was cut off from most of the others goes on naming the master it knew, while those name another. It says
so itself when it is asked: `SENTINEL CKQUORUM` answers NOQUORUM where it does not reach as many others as a failover
takes (https://redis.io/docs/latest/operate/oss_and_stack/management/sentinel/). What such a one names is not taken.
"""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.sentinel import MasterNotFoundError, Sentinel
from redis.exceptions import NoPermissionError, RedisError, ResponseError

Address = tuple[str, int]

ANSWER_SECONDS = 1.0
"""So long a Sentinel has to be connected with and to answer."""
DENIED_SECONDS = 1.0
"""So long after a Sentinel with a quorum has answered last the master it named is used, when others say that they have
none: Sentinels that stumble for a moment, all at once, are no partition."""
SILENT_SECONDS = 2.0
"""The same when none of them answers at all; or as long as they wait before they take a master for dead
(`down-after-milliseconds`), if that is longer: no other can have been named before."""

REJOIN_SECONDS = 3.0
"""A Sentinel that was without a quorum for long, and has it again, may name the old master until it has heard from the
others, which tell their news every two seconds: for so long it is not believed, unless it names another."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What one Sentinel says. `address` is None where it knows no master in good health."""

    address: Address | None
    knows_service: bool
    has_quorum: bool
    down_after_seconds: float

    @property
    def is_entitled(self) -> bool:
        """Whether it may speak for the service."""
        return self.knows_service and self.has_quorum


class MasterSearch:
    """The Sentinels of one service, for one pool of connections to its master."""

    def __init__(self, sentinels: Sentinel, service: str) -> None:
        self._sentinels = sentinels
        self._service = service
        self._named: Address | None = None
        self._confirmed_at = 0.0
        self._silent_seconds = SILENT_SECONDS
        self._is_denied = False
        self._doubted_until = 0.0

    def may_be_trusted(self) -> bool:
        """Return whether the master named last can be worked with: a Sentinel with a quorum has named it, or not long
        ago."""
        seconds = time.monotonic() - self._confirmed_at
        return seconds < (DENIED_SECONDS if self._is_denied or self._is_in_doubt else self._silent_seconds)

    def refusal(self) -> MasterNotFoundError:
        """Return the error for who wants to work with it all the same."""
        reason = "have no quorum" if self._is_denied or self._is_in_doubt else "do not answer"
        return MasterNotFoundError(f"No master found for {self._service!r}, as its Sentinels {reason}")

    async def master(self) -> Address:
        """Return the address of the master. The Sentinel that answered last is asked first, and alone; then the others,
        all at once.

        Raises `MasterNotFoundError`: no Sentinel answers, none that does has a quorum, or none knows a master in good
        health.
        """
        first, *others = self._sentinels.sentinels
        answers, errors = await self._ask([first])
        if others and not any(answer.is_entitled and answer.address for _, answer in answers):
            more, more_errors = await self._ask(others)
            answers, errors = answers + more, errors + more_errors
        entitled = [(sentinel, answer) for sentinel, answer in answers if answer.is_entitled]
        self._take_notice([answer for _, answer in answers], [answer for _, answer in entitled])
        for sentinel, answer in entitled:
            if answer.address is not None and not (self._is_in_doubt and answer.address == self._named):
                self._ask_first(sentinel)
                self._named, self._confirmed_at, self._doubted_until = answer.address, time.monotonic(), 0.0
                return answer.address
        if self._is_denied or self._is_in_doubt:
            raise self.refusal()
        reasons = f" : {', '.join(errors)}" if errors else ""
        raise MasterNotFoundError(f"No master found for {self._service!r}{reasons}")

    @property
    def _is_in_doubt(self) -> bool:
        return time.monotonic() < self._doubted_until

    def _take_notice(self, answers: list[_Answer], entitled: list[_Answer]) -> None:
        if entitled:
            if self._is_denied and not self.may_be_trusted():
                self._doubted_until = time.monotonic() + REJOIN_SECONDS
            elif not self._is_in_doubt:
                self._confirmed_at = time.monotonic()
            self._silent_seconds = max(SILENT_SECONDS, *(answer.down_after_seconds for answer in entitled))
        self._is_denied = not entitled and any(answer.knows_service for answer in answers)

    def _ask_first(self, sentinel: Any) -> None:
        everybody = self._sentinels.sentinels
        self._sentinels.sentinels = [sentinel, *(other for other in everybody if other is not sentinel)]

    async def _ask(self, sentinels: list[Any]) -> tuple[list[tuple[Any, _Answer]], list[str]]:
        """What each of them says, and what the others failed with."""
        found = await asyncio.gather(*map(self._said_by, sentinels), return_exceptions=True)
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

    async def _said_by(self, sentinel: Redis) -> _Answer:
        async with asyncio.timeout(ANSWER_SECONDS), sentinel.pipeline(transaction=False) as pipe:
            pipe.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", self._service)
            pipe.execute_command("SENTINEL MASTER", self._service)
            pipe.execute_command("SENTINEL CKQUORUM", self._service)
            named, state, quorum = await pipe.execute(raise_on_error=False)
        for answer in (named, state, quorum):
            if _is_trouble(answer):
                raise answer
        known = state if isinstance(state, dict) else {}
        return _Answer(
            address=None if named is None or _is_ill(known, named) else (_text(named[0]), int(named[1])),
            knows_service=named is not None,
            has_quorum=not isinstance(quorum, Exception) or not str(quorum).startswith("NOQUORUM"),
            down_after_seconds=int(known.get("down-after-milliseconds", 0)) / 1000,
        )


def _is_trouble(answer: Any) -> bool:
    """Whether it is no answer about the service: who is no Sentinel, or wants a password, says so to each question. A
    Sentinel that merely forbids a question, or does not know the service, has answered."""
    if not isinstance(answer, Exception):
        return False
    said = str(answer)
    is_about_it = isinstance(answer, NoPermissionError) or said.startswith(("NOQUORUM", "No such master"))
    return not (isinstance(answer, ResponseError) and is_about_it)


def _is_ill(state: dict[str, Any], named: tuple[Any, Any]) -> bool:
    """Whether the master `named` is taken for dead. Amid a failover `state` is that of the old master, and the new one
    is named already."""
    flags = state.get("flags", "")
    is_the_same = (state.get("ip"), state.get("port")) == (_text(named[0]), int(named[1]))
    return is_the_same and any(flag in flags for flag in ("s_down", "o_down"))


def _text(name: bytes | str) -> str:
    return name.decode() if isinstance(name, bytes) else name
