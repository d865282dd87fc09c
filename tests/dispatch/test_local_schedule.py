"""Timers, activities and messages of calls in the memory of one process."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support.ingress import started_ingress
from support.waiting import wait_until

from orchestrator.conversation.actions import CancelActivity, CancelTimer, HangUp, SendMessage, SetTimer, StartActivity
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from orchestrator.events.event import Event
from orchestrator.provider_simulator.rest_api import RestApi, serve_rest_api

ACCOUNT = "AC" + "1" * 32
TOLD: list[Event] = []


class Noting:
    """A sink that notes what it is told."""

    async def deliver(self, event: Event) -> None:
        TOLD.append(event)

    async def close(self) -> None:
        """Nothing to close."""


def double(number: int, idempotency_key: str) -> list[Any]:
    return [number * 2, idempotency_key.startswith("chat/")]


async def scheduling(turn: Turn, state: ConversationState) -> AsyncIterator[Any]:
    """Does what it is told to, and says what comes of it."""
    match turn.text.split() if turn.kind == "speech" else [turn.kind]:
        case ["timer", seconds]:
            yield SetTimer("t", float(seconds), {"a": 1})
        case ["no", "timer"]:
            yield CancelTimer("t")
        case ["double", number]:
            yield StartActivity(f"{__name__}:double", {"number": int(number)}, retries=0)
        case ["fail"]:
            yield StartActivity(f"{__name__}:nothing", name="failing", retries=0)
        case ["wait"]:
            yield StartActivity("asyncio:sleep", {"delay": 3600}, name="waiting")
        case ["no", "wait"]:
            yield CancelActivity("waiting")
        case ["text", to]:
            yield SendMessage(to, "See you.")
        case ["bye"]:
            yield HangUp()
        case ["timer" | "activity"]:
            yield f"{turn.kind} {turn.text} {turn.data}"
        case _:
            yield "hello"


@pytest.fixture
async def provider() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi(ACCOUNT, "12345")) as api:
        yield api


@pytest.fixture
async def ingress(provider: RestApi) -> AsyncIterator[Any]:
    TOLD.clear()
    async with started_ingress(
        agent=scheduling, events_sink=f"{__name__}:Noting", events="message.sent,activity.failed",
        twilio_account_sid=ACCOUNT, twilio_api_base_url=provider.url, twilio_from_number="+15551230000",
    ) as ingress:  # fmt: skip
        yield ingress


async def say(ingress: Any, text: str) -> None:
    answer = await ingress.client.post("/calls/chat/turns", json={"text": text})
    assert answer.json()["outcome"] == "replied", answer.text


async def replies(ingress: Any) -> list[str]:
    state = await ingress.runtime.states.get_state("chat")
    return [] if state is None else [record.reply.text for record in state.turns if record.reply.text]


async def test_a_timer_brings_its_turn(ingress: Any) -> None:
    await say(ingress, "timer 0.05")
    await wait_until(lambda: replies(ingress), "the timer has fired")
    assert await replies(ingress) == ["timer t {'a': 1}"]
    assert (await ingress.runtime.states.get_state("chat")).timers == {}


async def test_a_timer_that_was_taken_back_brings_nothing(ingress: Any) -> None:
    await say(ingress, "timer 3600")
    await say(ingress, "no timer")
    assert ingress.dispatcher.memory.scheduling.schedule.first_due is None


async def test_an_activity_brings_its_result(ingress: Any) -> None:
    await say(ingress, "double 21")
    await wait_until(lambda: replies(ingress), "the result has come")
    assert await replies(ingress) == ["activity double {'result': [42, True]}"]


async def test_an_activity_that_fails_brings_the_class_of_its_error_and_is_told(ingress: Any) -> None:
    await say(ingress, "fail")
    await wait_until(lambda: replies(ingress), "the failure has come")
    assert await replies(ingress) == ["activity failing {'error': 'BadActivity'}"]
    await wait_until(lambda: bool(TOLD), "the event is delivered")
    assert (TOLD[0].type, TOLD[0].data["class"]) == ("activity.failed", "BadActivity")


async def test_an_activity_that_was_taken_back_is_cancelled(ingress: Any) -> None:
    await say(ingress, "wait")
    await say(ingress, "no wait")
    assert ingress.dispatcher.memory.scheduling.schedule.first_due is None
    await say(ingress, "wait")


async def test_the_end_of_the_call_ends_its_activities_and_says_so(ingress: Any) -> None:
    await say(ingress, "wait")
    await say(ingress, "bye")
    await wait_until(lambda: bool(TOLD), "the event is delivered")
    assert (TOLD[0].type, TOLD[0].data["activity"], TOLD[0].data["class"]) == (
        "activity.failed", "waiting", "call_ended",
    )  # fmt: skip


async def test_a_message_is_sent_once_although_the_call_has_ended(ingress: Any, provider: RestApi) -> None:
    await say(ingress, "text +12125551234")
    await say(ingress, "bye")
    await wait_until(lambda: bool(TOLD), "the event is delivered")
    assert [(message.to, message.body) for message in provider.messages.sent] == [("+12125551234", "See you.")]
    assert [(event.type, event.data["status"]) for event in TOLD] == [("message.sent", "sent")]
