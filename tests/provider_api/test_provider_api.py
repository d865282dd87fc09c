"""The provider's REST API as ingresses and workers use it: what it says, and what its failures mean."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from support.servers import free_port

from orchestrator.clock import utc_now
from orchestrator.conversation.state import ConversationState
from orchestrator.provider_api.client import ProviderApi
from orchestrator.provider_api.errors import ProviderError
from orchestrator.provider_simulator.rest_api.api import RestApi, serve_rest_api
from orchestrator.provider_simulator.rest_api.faults import Fault
from orchestrator.settings import Settings, load_settings

ACCOUNT, TOKEN = "AC" + "1" * 32, "secret-token"
FROM, TO = "+15551230000", "+15558675310"


@pytest.fixture
async def provider() -> AsyncIterator[RestApi]:
    async with serve_rest_api(RestApi(ACCOUNT, TOKEN)) as served:
        yield served


def settings_for(url: str, token: str = TOKEN) -> Settings:
    return load_settings(
        twilio_account_sid=ACCOUNT, twilio_auth_token=token, twilio_api_base_url=url, twilio_from_number=FROM
    )


async def refused(url: str, token: str = TOKEN) -> ProviderError:
    """What is raised when a message is sent."""
    with ProviderApi(settings_for(url, token)) as api, pytest.raises(ProviderError) as raised:
        await api.send_message(FROM, TO, "hello")
    return raised.value


async def test_a_message_is_posted_and_found_again(provider: RestApi) -> None:
    began_at = utc_now()
    with ProviderApi(settings_for(provider.url)) as api:
        message_sid = await api.send_message(FROM, TO, "Tuesday at ten. Bis bald, Zoë 😀")
        await api.send_message(FROM, "+15550000001", "to somebody else")
        (found,) = await api.find_messages(TO, began_at - timedelta(minutes=1))
    assert provider.messages.sent[0].sid == found.message_sid == message_sid
    assert (found.sender, found.to, found.text) == (FROM, TO, "Tuesday at ten. Bis bald, Zoë 😀")
    assert found.created_at is not None
    assert abs(found.created_at - began_at) < timedelta(minutes=1)


@pytest.mark.processes
async def test_the_library_is_imported_with_the_first_request_and_outside_of_the_event_loop(provider: RestApi) -> None:
    program = f"""
import asyncio, sys, threading
from orchestrator.provider_api.client import ProviderApi
from orchestrator.settings import load_settings
settings = load_settings(
    twilio_account_sid="{ACCOUNT}", twilio_auth_token="{TOKEN}", twilio_api_base_url="{provider.url}"
)
assert "twilio.rest" not in sys.modules and "requests" not in sys.modules
import builtins
importing, plain = [], builtins.__import__
def watched(name, *args, **options):
    if name == "twilio.rest":
        importing.append(threading.current_thread() is threading.main_thread())
    return plain(name, *args, **options)
builtins.__import__ = watched
async def main():
    with ProviderApi(settings) as api:
        await api.send_message("{FROM}", "{TO}", "hello")
asyncio.run(main())
print(importing[:1])
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE)
    out, _ = await asyncio.wait_for(process.communicate(), 60)
    assert out.decode().strip() == "[False]"


async def test_too_many_requests_may_be_tried_again_when_the_provider_says(provider: RestApi) -> None:
    provider.fail("create_message", Fault.refused(429, 20429))
    error = await refused(provider.url)
    assert (error.is_temporary, error.is_unknown, error.code) == (True, False, 429)
    assert provider.messages.sent == []


async def test_the_time_that_the_provider_asks_to_wait_is_read() -> None:
    answer = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"

    async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answering, "127.0.0.1", 0)
    async with server:
        error = await refused(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert (error.is_temporary, error.retry_after) == (True, 7.0)


async def test_an_overloaded_provider_has_done_nothing(provider: RestApi) -> None:
    provider.fail("create_message", Fault.refused(503))
    assert (await refused(provider.url)).is_temporary


@pytest.mark.parametrize("fault", [Fault.answer_lost(), Fault.request_lost(), Fault.failed_after(500)])
async def test_without_an_answer_nobody_knows_what_the_provider_did(provider: RestApi, fault: Fault) -> None:
    provider.fail("create_message", fault)
    error = await refused(provider.url)
    assert (error.is_unknown, error.is_temporary) == (True, False)


async def test_a_provider_that_cannot_be_reached_has_done_nothing() -> None:
    for host in ("127.0.0.1", "nobody.invalid"):
        error = await refused(f"http://{host}:{free_port()}")
        assert (error.is_temporary, error.is_unknown) == (True, False)


async def test_a_refusal_has_the_providers_number_of_it(provider: RestApi) -> None:
    provider.fail("create_message", Fault.refused(400, 21610))
    error = await refused(provider.url)
    assert (error.code, error.is_temporary, error.is_unknown) == (21610, False, False)


async def test_wrong_credentials_are_said_without_repeating_them(provider: RestApi) -> None:
    error = await refused(provider.url, token="another-token")
    assert "TWILIO_AUTH_TOKEN" in str(error)
    assert "another-token" not in repr(error)
    assert (error.is_temporary, error.is_unknown) == (False, False)


async def test_a_search_that_is_refused_is_an_error(provider: RestApi) -> None:
    provider.fail("list_messages", Fault.refused(400, 20001), Fault.refused(429), Fault.answer_lost())
    with ProviderApi(settings_for(provider.url)) as api:
        for _ in range(3):
            with pytest.raises(ProviderError):
                await api.find_messages(TO, utc_now())
        assert await api.find_messages(TO, utc_now()) == []


async def test_calls_of_other_providers_are_not_controlled(provider: RestApi) -> None:
    with ProviderApi(settings_for(provider.url)) as api:
        assert api.can_control(ConversationState(call_sid="CA1"))
        other = ConversationState.model_validate({"call_sid": "CA2", "provider": "telnyx"})
        assert not api.can_control(other)
        await api.hang_up(other)
    assert provider.requested == []
