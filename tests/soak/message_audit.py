"""Text messages: the simulated provider's API with its troubles, and the audit of what was posted and told of them."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from soak.living import TEXTED
from soak.verdict import Verdict
from support.deployment import TOKEN

from orchestrator.provider_simulator.rest_api import Fault, Operation, RestApi, serve_rest_api

ACCOUNT = "AC" + "5" * 32
FROM_NUMBER = "+15557770000"
TROUBLE_SHARE = 0.25
"""The share of requests that meet a trouble of the provider's."""
STATUS_SECONDS = 120.0
"""Whether a message was sent is asked for about a minute, by whoever lives."""
Told = Mapping[str, list[dict[str, Any]]]


class TextProvider:
    """The simulated provider of text messages, and how it fails. `settings` are those of the product's processes."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self.troubles: Counter[str] = Counter()
        self.api = RestApi(ACCOUNT, TOKEN, fault_source=self._fault)
        self.api.messages.listing_lag = 1

    @property
    def settings(self) -> dict[str, str]:
        """Where the product finds it."""
        return {
            "TWILIO_API_BASE_URL": self.api.url,
            "TWILIO_ACCOUNT_SID": ACCOUNT,
            "TWILIO_FROM_NUMBER": FROM_NUMBER,
        }

    def _fault(self, operation: Operation) -> Fault | None:
        if self._rng.random() > TROUBLE_SHARE:
            return None
        if operation == "list_messages":  # refused, it would be asked again minutes later
            kind, fault = "slow", Fault.slow(1)
        elif operation == "create_message":
            kind, fault = self._rng.choice(
                [
                    ("answer lost", Fault.answer_lost()), ("request lost", Fault.request_lost()),
                    ("500 after it was sent", Fault.failed_after(500)), ("429", Fault.refused(429)),
                    ("503", Fault.refused(503)), ("slow", Fault.slow(1.5)),
                ]
            )  # fmt: skip
        else:
            return None
        self.troubles[f"{operation}: {kind}"] += 1
        return fault


@asynccontextmanager
async def text_provider(rng: Random) -> AsyncIterator[TextProvider]:
    """Serve it."""
    provider = TextProvider(rng)
    async with serve_rest_api(provider.api):
        yield provider


async def audit_messages(provider: TextProvider, told: Callable[[], Awaitable[Told]], verdict: Verdict) -> None:
    """Wait until each message has its status in every sink, or for as long as that may take; then compare."""
    asked = asked_messages(verdict.states.values())
    end = asyncio.get_running_loop().time() + STATUS_SECONDS
    events = await told()
    while asyncio.get_running_loop().time() < end:
        if all(set(asked) <= set(statuses_of(of_sink)) for of_sink in events.values()):
            break
        await asyncio.sleep(2)
        events = await told()
    posted = [message.body for message in provider.api.messages.sent if message.to in TEXTED]
    verdict.living.update({f"provider's troubles: {kind}": count for kind, count in provider.troubles.items()})
    compare_messages(asked, posted, {sink: statuses_of(of_sink) for sink, of_sink in events.items()}, verdict)


def asked_messages(states: Iterable[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """The texts of all messages that were asked for, by call and turn: each turn asks for one at most."""
    return {
        (state["call_sid"], record["turn_id"]): action["text"]
        for state in states
        for record in state["turns"]
        for action in record["reply"]["actions"]
        if action["type"] == "send_message"
    }


def statuses_of(events: list[dict[str, Any]]) -> dict[tuple[str, str], list[str]]:
    """What a sink was told of messages, by call and turn: each event once."""
    found: dict[tuple[str, str], list[str]] = {}
    seen: set[str] = set()
    for event in events:
        if event["type"] == "message.sent" and event["id"] not in seen:
            seen.add(event["id"])
            about = event["data"]
            found.setdefault((about["call_sid"], about["turn_id"]), []).append(about["status"])
    return found


def compare_messages(
    asked: Mapping[tuple[str, str], str],
    posted: list[str],
    told: Mapping[str, Mapping[tuple[str, str], list[str]]],
    verdict: Verdict,
) -> None:
    """Each message was posted once at most, and every sink was told once, and rightly, what became of it."""
    counts = Counter(posted)
    wanted = set(asked.values())
    for text, count in counts.items():
        if count > 1:
            verdict.doubled.append(f"the message {text!r} was posted {count} times")
        if text not in wanted:
            verdict.wrong.append(f"the message {text!r} was posted, and nobody asked for it")
    verdict.living["messages asked for"] += len(asked)
    verdict.living["messages posted"] += len(posted)
    for (call_sid, turn_id), text in asked.items():
        for sink, statuses in told.items():
            found = statuses.get((call_sid, turn_id), [])
            where = f"{sink}: the message of {call_sid}, {turn_id}"
            if not found:
                verdict.lost.append(f"{where} has no status; it was posted {counts[text]} times")
            elif len(found) > 1:
                verdict.doubled.append(f"{where} has the statuses {found}")
            elif (found[0] == "sent" and not counts[text]) or (found[0] == "failed" and counts[text]):
                verdict.wrong.append(f"{where} is told to be {found[0]}, and was posted {counts[text]} times")
            else:
                verdict.living[f"messages told as {found[0]}, by {sink}"] += 1
