"""The simulated provider of `voiceagent dev`, and the call that it changes in another terminal."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.library_client import library_client
from support.servers import free_port
from support.terminal import VOICEAGENT, at_a_terminal, in_the_background

from orchestrator.cli import simulated_provider
from orchestrator.provider_simulator.exchange import exchange_port
from orchestrator.settings import Settings, load_settings

ACCOUNT = "AC" + "0" * 32
START_SECONDS = 60


def settings_of(**given: str) -> Settings:
    return load_settings(_env_file=None, **given)


def test_it_is_wanted_where_no_provider_is_configured() -> None:
    assert simulated_provider.is_wanted(settings_of())


@pytest.mark.parametrize(
    "given",
    [
        {"environment": "production", "twilio_auth_token": "t"},
        {"environment": "production"},
        {"twilio_auth_token": "t"},
        {"twilio_account_sid": "AC1"},
        {"twilio_api_base_url": "http://127.0.0.1:1"},
        {"public_base_url": "https://agent.example"},
        {"signalwire_signing_key": "k"},
    ],
    ids=str,
)
def test_it_is_not_wanted_beside_a_real_one(given: dict[str, str]) -> None:
    assert not simulated_provider.is_wanted(settings_of(**given))


async def test_a_taken_port_is_told_and_costs_nothing_else() -> None:
    told: list[str] = []
    web_port = free_port()
    async with AsyncExitStack() as stack:
        url = await simulated_provider.start(stack, web_port, told.append)
        assert url == f"http://127.0.0.1:{exchange_port(web_port)}"
        assert await simulated_provider.start(stack, web_port, told.append) is None
    assert [f"port {exchange_port(web_port)} cannot be had" in line for line in told] == [True]


def test_text_messages_come_from_the_number_of_the_settings() -> None:
    named = simulated_provider.environment("http://x", settings_of(twilio_from_number="+15550009999"))
    assert named == {"TWILIO_API_BASE_URL": "http://x", "TWILIO_FROM_NUMBER": "+15550009999"}
    assert simulated_provider.environment("http://x", settings_of())["TWILIO_FROM_NUMBER"] == "+15551234567"


@pytest.mark.processes
async def test_messages_and_changes_of_a_call_reach_the_terminal(tmp_path: Path) -> None:
    port = free_port()
    provider = f"http://127.0.0.1:{exchange_port(port)}"
    client = library_client(ACCOUNT, "any", provider)
    settings = {"AGENT": "echo", "USE_REDIS": "false", "PORT": str(port)}
    async with in_the_background(*VOICEAGENT, "dev", cwd=tmp_path, settings=settings) as dev:
        await dev.shows("VoiceAgent answers calls.", START_SECONDS)
        assert f"simulated at {provider}" in dev.text
        async with at_a_terminal("call", "--call-sid", "CA1", cwd=tmp_path, settings=settings) as terminal:
            await terminal.shows("you   › ")
            await asyncio.to_thread(
                lambda: client.messages.create(to="+15550001111", from_="+15551234567", body="See you on Tuesday.")
            )
            await terminal.shows("[text message to +15550001111: See you on Tuesday.]")
            await dev.shows("provider │ [text message to +15550001111: See you on Tuesday.]")
            twiml = "<Response><Say>By the way, it rains.</Say><Pause length='60'/></Response>"
            await asyncio.to_thread(lambda: client.calls("CA1").update(twiml=twiml))
            await terminal.shows("By the way, it rains.")
            await asyncio.to_thread(lambda: client.calls("CA1").update(status="completed"))
            await terminal.shows("The agent hung up.")
            assert await terminal.exit_code() == 0
