"""Status callbacks: in any order, repeated, and for unknown calls."""

import logging

import pytest
from support.ingress import said, verbs
from support.waiting import wait_until

from orchestrator.errors import StoreUnavailable


async def ended(ingress):
    async def is_ended():
        state = await ingress.state()
        return state is not None and state.ended

    return await wait_until(is_ended, "the call has ended")


@pytest.mark.parametrize("status", ["completed", "busy", "no-answer", "failed", "canceled"])
async def test_a_terminal_status_ends_the_call_with_that_status(ingress, status):
    await ingress.begin()
    response = await ingress.post("/twilio/status", CallStatus=status, CallDuration="49")
    assert (response.status_code, response.content) == (204, b"")
    assert (await ended(ingress)).status == status


@pytest.mark.parametrize("status", ["queued", "initiated", "ringing", "in-progress", "answered", "", "odd"])
async def test_other_statuses_change_nothing(ingress, status):
    await ingress.begin()
    assert (await ingress.post("/twilio/status", CallStatus=status)).status_code == 204
    assert [turn.kind for turn in ingress.turns] == ["started"]


async def test_repeated_and_late_callbacks_leave_the_first_end_alone(ingress):
    await ingress.begin()
    for status in ("completed", "in-progress", "completed", "failed", "ringing"):
        assert (await ingress.post("/twilio/status", CallStatus=status)).status_code == 204
    assert (await ended(ingress)).status == "completed"
    assert [record.kind for record in (await ingress.state()).turns].count("ended") <= 1


async def test_the_end_of_an_unknown_call_is_ignored(ingress):
    assert (await ingress.post("/twilio/status", CallStatus="completed")).status_code == 204
    assert await ingress.state() is None


async def test_while_the_store_is_away_the_provider_is_asked_to_try_again(ingress):
    await ingress.begin()
    ingress.trouble(StoreUnavailable())
    response = await ingress.post("/twilio/status", CallStatus="completed")
    assert response.status_code == 503
    assert response.headers["retry-after"]


async def test_the_end_is_logged_once_however_often_it_is_told(ingress, caplog):
    await ingress.begin()
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            assert (await ingress.post("/twilio/status", CallStatus="completed")).status_code == 204
            await ended(ingress)
    assert len([entry for entry in caplog.records if getattr(entry, "action", "") == "call.over"]) == 1


@pytest.mark.parametrize("status", ["completed", "failed"])
async def test_a_call_whose_end_came_before_it_does_not_begin_any_more(ingress, status):
    assert (await ingress.post("/twilio/status", CallStatus=status)).status_code == 204
    document = await ingress.begin()
    assert (said(document), verbs(document)) == ("Goodbye.", ["Say", "Hangup"])
    assert await ingress.runtime.states.get_active_calls_count() == 0
