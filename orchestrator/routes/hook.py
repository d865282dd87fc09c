"""The hook of a route: asked who answers a call that comes in, for two seconds at most.

It is a function of the user's, or an HTTPS address (`hook_request`). Where it is late, fails or answers nonsense, the
route's own agent answers, and one log line says so.
"""

import asyncio
import contextlib
import inspect
import json
import logging
import threading
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from typing import Any, Protocol

from orchestrator import error_logging
from orchestrator.routes.choice import Choice
from orchestrator.tasks import cancel_and_wait

logger = logging.getLogger(__name__)

DEADLINE_SECONDS = 2.0
MOST_THREADS = 16
MOST_TASKS = 1000
MOST_SLOTS_BYTES = 2048
"""Slots travel with a call until it has a state."""
DEEPEST_SLOTS = 20
LONGEST_WORDS = 500
FIELDS = frozenset({"agent", "slots", "refuse"})


@dataclass(frozen=True, slots=True)
class IncomingCall:
    """A call that begins, as a hook gets it."""

    call_sid: str
    from_number: str
    to_number: str
    direction: str = "inbound"
    provider: str = "twilio"


class Asked(Protocol):
    """Whom a hook asks."""

    async def ask(self, call: IncomingCall) -> Any:
        """Return the answer, not checked yet. Raise what goes wrong."""

    async def close(self) -> None:
        """Give back what it holds."""


class Hook:
    """The hook `name` of a route. It may choose among `agents`."""

    def __init__(
        self, name: str, asked: Asked, agents: Collection[str], *, deadline_seconds: float = DEADLINE_SECONDS
    ) -> None:
        self.name = name
        self.asked = asked
        self._agents = agents
        self._deadline_seconds = deadline_seconds

    async def choice(self, call: IncomingCall, fallback: Choice) -> Choice:
        """Return what the hook says of the call; `fallback` without a usable answer in time."""
        failed = "The hook of a route failed; the route's own agent answers: %s"
        extra = {"action": "route.hook_failed", "call_sid": call.call_sid, "hook": self.name}
        try:
            async with asyncio.timeout(self._deadline_seconds):
                answer = await self.asked.ask(call)
            return checked_answer(answer, fallback, self._agents)
        except TimeoutError:
            logger.warning(failed, f"no answer within {self._deadline_seconds:g} s", extra=extra)
        except BadAnswer as error:
            logger.warning(failed, error, extra=extra)
        except Exception as error:  # whatever the user's function raises; its text may quote the caller
            error_logging.log(logging.WARNING, logger, failed, error=error, extra=extra)
        return fallback

    async def close(self) -> None:
        """Give back what it holds."""
        await self.asked.close()


class BadAnswer(Exception):
    """A hook answered what means nothing."""


def checked_answer(answer: Any, fallback: Choice, agents: Collection[str]) -> Choice:
    """Return the choice that a hook's answer means: an agent's name, or `{"agent", "slots", "refuse"}`. Raise
    `BadAnswer`.

    None, and what the answer leaves out, is as in `fallback`. `refuse` is what the caller hears, or true.
    """
    if answer is None:
        return fallback
    fields = {"agent": answer} if isinstance(answer, str) else answer
    if not isinstance(fields, dict) or not fields.keys() <= FIELDS:
        raise BadAnswer(f"it answered neither the name of an agent nor an object with {', '.join(sorted(FIELDS))}")
    agent, slots, refuse = fields.get("agent"), fields.get("slots"), fields.get("refuse")
    if agent is not None and not (isinstance(agent, str) and agent in agents):
        raise BadAnswer("it named an agent that the routes do not have")
    if isinstance(refuse, bool) or refuse is None:
        refused = "" if refuse else None
    elif isinstance(refuse, str) and _is_words(refuse):
        refused = refuse.strip()
    else:
        raise BadAnswer(f"its refuse is neither true nor at most {LONGEST_WORDS} characters")
    return replace(fallback, agent=agent or fallback.agent, slots=_checked_slots(slots), refused=refused)


def _checked_slots(slots: Any) -> dict[str, Any]:
    if slots is None:
        return {}
    try:
        text = json.dumps(slots, allow_nan=False, ensure_ascii=False)
        size = len(text.encode())  # UnicodeEncodeError, which is a ValueError: half a surrogate pair
    except (ValueError, TypeError, RecursionError):
        raise BadAnswer("its slots are not JSON") from None
    if not isinstance(slots, dict) or size > MOST_SLOTS_BYTES:
        raise BadAnswer(f"its slots are no object of at most {MOST_SLOTS_BYTES} bytes")
    found: dict[str, Any] = json.loads(text)
    if not _fits(found, DEEPEST_SLOTS):
        raise BadAnswer(f"its slots are nested more than {DEEPEST_SLOTS} deep")
    return found


def _fits(value: Any, depth: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return inner is None or (depth > 0 and all(_fits(it, depth - 1) for it in inner))


def _is_words(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:  # half a surrogate pair
        return False
    return len(text) <= LONGEST_WORDS


class AskedFunction:
    """A function of the user's. One that is not `async` runs in a thread, which nobody waits for when it hangs."""

    def __init__(self, function: Callable[[IncomingCall], Any]) -> None:
        self._function = function
        self._is_async = any(map(inspect.iscoroutinefunction, (function, type(function).__call__)))
        self._running = 0
        self._tasks: set[asyncio.Task[Any]] = set()

    async def ask(self, call: IncomingCall) -> Any:
        """See `Asked`."""
        if self._is_async:
            return await self._ask_in_a_task(call)
        if self._running >= MOST_THREADS:
            raise BadAnswer(f"{MOST_THREADS} calls of it have not returned yet")
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._running += 1
        threading.Thread(target=self._run, args=(call, answered), name="route hook", daemon=True).start()
        return await answered

    async def close(self) -> None:
        """See `Asked`."""
        await cancel_and_wait(*self._tasks)

    async def _ask_in_a_task(self, call: IncomingCall) -> Any:
        """Await the function in a task of its own: one that does not let itself be cancelled would hold the call."""
        if len(self._tasks) >= MOST_TASKS:
            raise BadAnswer(f"{MOST_TASKS} calls of it have not returned yet")
        task = asyncio.create_task(self._awaited(call), name="route hook")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()  # if it is too late
        if task.cancelled():
            raise BadAnswer("it was cancelled")
        return task.result()

    async def _awaited(self, call: IncomingCall) -> Any:
        try:
            return await self._function(call)
        except SystemExit:  # it would end the process
            raise RuntimeError("SystemExit") from None

    def _run(self, call: IncomingCall, answered: "asyncio.Future[Any]") -> None:
        answer, error = None, None
        try:
            answer = self._function(call)
        except BaseException as raised:  # also a SystemExit: it would end the thread in silence
            error = raised
        with contextlib.suppress(RuntimeError):  # the event loop has ended meanwhile
            answered.get_loop().call_soon_threadsafe(self._returned, answered, answer, error)

    def _returned(self, answered: "asyncio.Future[Any]", answer: Any, error: BaseException | None) -> None:
        self._running -= 1
        if answered.done():  # too late
            return
        if error is None:
            answered.set_result(answer)
        else:
            answered.set_exception(error if isinstance(error, Exception) else RuntimeError(type(error).__name__))
