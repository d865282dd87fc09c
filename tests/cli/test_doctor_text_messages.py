"""What the doctor says of text messages."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from orchestrator.doctor.finding import Finding
from orchestrator.doctor.text_messages import inspect_number, judge_text_messages
from orchestrator.provider_simulator.rest_api.api import RestApi, serve_rest_api
from orchestrator.provider_simulator.rest_api.faults import Fault
from orchestrator.settings import Settings

FROM = "+15551230000"


@pytest.fixture
async def provider() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi(auth_token="secret")) as served:
        yield served


def settings(provider: RestApi, **changes: Any) -> Settings:
    given = {
        "twilio_account_sid": provider.account_sid, "twilio_auth_token": "secret",
        "twilio_api_base_url": provider.url, "twilio_from_number": FROM,
    }  # fmt: skip
    return Settings(_env_file=None, **{**given, **changes})


async def found(given: Settings) -> list[Finding]:
    return list(judge_text_messages(given, await inspect_number(given)))


async def test_a_number_that_sends_messages_is_well(provider: RestApi) -> None:
    (finding,) = await found(settings(provider))
    assert (finding.level, finding.message) == ("ok", "Agents can send text messages from TWILIO_FROM_NUMBER.")


async def test_a_number_that_cannot_send_is_named(provider: RestApi) -> None:
    provider.numbers.mute.add(FROM)
    (finding,) = await found(settings(provider))
    assert (finding.level, finding.message) == ("warning", "TWILIO_FROM_NUMBER sends no text messages.")
    provider.numbers.foreign.add(FROM)
    (finding,) = await found(settings(provider))
    assert "no number of the account" in finding.message


async def test_wrong_credentials_are_told(provider: RestApi) -> None:
    (finding,) = await found(settings(provider, twilio_auth_token="another"))
    assert finding.level == "warning"
    assert "The provider refuses the credentials." in finding.message
    assert "another" not in f"{finding}"


async def test_a_provider_that_fails_is_no_proof(provider: RestApi) -> None:
    provider.fail("list_numbers", Fault.answer_lost())
    (finding,) = await found(settings(provider))
    assert (finding.level, "is not known" in finding.message) == ("warning", True)


async def test_half_of_the_settings_is_told_and_none_is_not(provider: RestApi) -> None:
    (finding,) = await found(settings(provider, twilio_from_number=None))
    assert finding.level == "note"
    assert "TWILIO_FROM_NUMBER" in finding.advice
    assert await found(Settings(_env_file=None)) == []
    assert provider.requested == []
