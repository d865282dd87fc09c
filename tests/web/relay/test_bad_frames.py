"""Text that is not a frame does no harm."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.ingress import CALL
from support.relay import PATH, relay_socket
from support.waiting import wait_until
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from web.ingress import RelayTimeouts
from web.twilio.relay import inbound_frames

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
FIELDS = ("callSid", "sessionId", "from", "voicePrompt", "last", "lang", "digit", "utteranceUntilInterrupt",
          "durationUntilInterruptMs", "customParameters", "name", "value", "description")  # fmt: skip
FRAMES = st.builds(
    lambda kind, fields: {"type": kind, **fields},
    st.sampled_from(["setup", "prompt", "dtmf", "interrupt", "error", "info", "new"]) | JSON,
    st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=6),
)


@given(st.text() | JSON.map(json.dumps) | FRAMES.map(json.dumps))
def test_reading_never_fails_and_gives_nothing_that_cannot_be_stored(text: str):
    frame = inbound_frames.read_frame(text)
    assert isinstance(frame, inbound_frames.InboundFrame)
    for name in frame.__dataclass_fields__:
        str(getattr(frame, name)).encode()


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ('{"type":"prompt","voicePrompt":" hi ","extra":1}', inbound_frames.Prompt("hi")),
        ('{"type":"prompt","voicePrompt":"hi","last":false}', inbound_frames.Prompt("hi", is_last=False)),
        ('{"type":"interrupt","utteranceUntilInterrupt":"a ","durationUntilInterruptMs":"460"}',
         inbound_frames.Interrupt("a ", 460)),
        ('{"type":"interrupt","utteranceUntilInterrupt":"a","durationUntilInterruptMs":460}',
         inbound_frames.Interrupt("a", 460)),
        ('{"type":"interrupt"}', inbound_frames.Interrupt("")),
        ('{"type":"dtmf","digit":"#"}', inbound_frames.Dtmf("#")),
        ('{"type":"dtmf","digit":"12"}', inbound_frames.Malformed("dtmf: no key")),
        ('{"type":"brandnew"}', inbound_frames.Unknown("brandnew")),
        ('{"type":"prompt","voicePrompt":"\\ud800"}', inbound_frames.Prompt("?")),
        ("[" * 50_000, inbound_frames.Malformed("not JSON")),
    ],
)  # fmt: skip
def test_frames_are_read_by_the_providers_rules(text: str, frame: Any):
    assert inbound_frames.read_frame(text) == frame


async def test_junk_is_survived(ingress):
    async with relay_socket(ingress.url) as caller:
        await caller.prompt("before the setup")
        await caller.setup(CALL)
        assert await caller.reply() == "Hello!"
        for junk in ("", "{", "null", "[]", '{"type":7}', '{"type":"prompt"}', '{"type":"dtmf","digit":""}', b"\0\1"):
            await caller.raw(junk)
        await caller.send("interrupt")
        await caller.send("error", description="Invalid message received")
        await caller.send("something-new", value=1)
        await caller.prompt("   ")
        await caller.prompt("still there?")
        assert await caller.reply() == "You said still there?."


async def test_a_huge_frame_closes_this_socket_and_no_other(ingress):
    async with relay_socket(ingress.url) as huge, relay_socket(ingress.url) as caller:
        await caller.setup(CALL)
        await huge.setup("CA2")
        await caller.reply()
        await huge.prompt("x" * 100_000)
        assert await huge.closed() == 1009
        await caller.prompt("fine")
        assert await caller.reply() == "You said fine."


@pytest.mark.parametrize("setup", [{"callSid": ""}, {"callSid": "a{b}"}, {"callSid": 7}, {}])
async def test_a_setup_without_a_usable_call_sid_is_refused(start_ingress, setup):
    brief = {"relay": RelayTimeouts(setup=0.2)}
    async with start_ingress(timeouts=brief) as ingress, relay_socket(ingress.url) as caller:
        await caller.send("setup", sessionId="VX1", **setup)
        assert await caller.closed() == 1008
    assert ingress.turns == []


async def test_an_upgrade_that_is_not_signed_is_refused(ingress):
    for token in ("wrong", None):
        with pytest.raises(InvalidStatus) as refused:
            async with relay_socket(ingress.url, token):
                pass
        assert refused.value.response.status_code == 403
        assert b"X-Twilio-Signature" in refused.value.response.body


@pytest.mark.parametrize("signed", ["wss://calls.example.com{}", "wss://calls.example.com{}/",
                                    "wss://calls.example.com:443{}"])  # fmt: skip
async def test_senders_may_spell_the_signed_url_in_several_ways(start_ingress, signed):
    async with start_ingress(public_base_url="https://calls.example.com") as ingress:
        signature = RequestValidator(ingress.token).compute_signature(signed.format(PATH), {})
        target = ingress.url.replace("http", "ws") + PATH
        async with connect(target, additional_headers={"X-Twilio-Signature": signature}, proxy=None) as connection:
            assert connection.response.headers.get("Sec-WebSocket-Extensions") is None


async def test_a_socket_that_is_not_read_is_closed(start_ingress, monkeypatch, caplog):
    # More than the kernel buffers; a reply of such a length is refused before it comes to that.
    monkeypatch.setattr("web.twilio.relay.outbound_frames.tokens", lambda said, **_: [" " * 1_000_000] * 10)
    brief = {"relay": RelayTimeouts(write=0.2)}
    async with start_ingress(timeouts=brief) as ingress, relay_socket(ingress.url, max_queue=1) as caller:
        caller.connection.transport.pause_reading()
        await caller.setup(CALL)
        await wait_until(lambda: "a relay socket that is not read" in caplog.text, "the socket is closed")
        await wait_until(lambda: not ingress.app.state.ingress.sessions.call_sids, "the session has ended")
        caller.connection.transport.abort()
