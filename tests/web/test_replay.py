"""A webhook that somebody has captured, signature and all, and sends again: it changes nothing, whichever it is."""

import base64
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.ingress import TOKEN
from support.waiting import wait_until
from twilio.request_validator import RequestValidator

from orchestrator import clock
from orchestrator.conversation.actions import Record, Transfer
from orchestrator.conversation.state import ConversationState
from orchestrator.conversation.turn import Turn
from web.outbound.outbound_call import MAX_CONTEXT_SECONDS, OutboundContext, read_outbound_context
from web.seal import Seal
from web.twilio.held_turn import MAX_AGE_SECONDS, HeldTurn, read_held_turn

PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
SIGNALWIRE_KEY = "PSK_signing_key"
PROVIDERS = ["twilio", "telnyx", "signalwire"]
SID = "CA0001"
MINUTES = 60.0


async def agent(turn: Turn, state: ConversationState) -> Any:
    """Connects and records callers who ask for it, and counts how often it was asked."""
    state.slots["asked"] = state.slots.get("asked", 0) + 1
    yield f"You said {turn.text}."
    if turn.text == "a person":
        yield Transfer("+15550001111", announce="A caller.", accept_key="1", then="return")
    elif turn.text == "a message":
        yield Record()


@dataclass(frozen=True)
class Captured:
    """A webhook as it was sent."""

    path: str
    body: bytes
    headers: dict[str, str]


@dataclass
class Line:
    """The provider's side of a call. What it sends is captured."""

    ingress: Any
    provider: str
    sent: list[Captured] = field(default_factory=list)

    async def post(self, path: str, **fields: str) -> ElementTree.Element | None:
        path = path.removeprefix(self.ingress.url)
        path = path if path.startswith("/") else f"/{self.provider}/{path}"
        form = {
            "CallSid": SID, "From": "+15558675310", "To": "+15551234567", "Direction": "inbound",
            "CallStatus": "in-progress", **fields,
        }  # fmt: skip
        body = urlencode(form).encode()
        webhook = Captured(path, body, self._signed(path, form, body))
        self.sent.append(webhook)
        return await self.replay(webhook)

    async def replay(self, webhook: Captured) -> ElementTree.Element | None:
        headers = {"content-type": "application/x-www-form-urlencoded", **webhook.headers}
        answer = await self.ingress.client.post(webhook.path, content=webhook.body, headers=headers)
        assert answer.status_code in (200, 204), (webhook.path, answer.text)
        return ElementTree.fromstring(answer.text) if answer.text else None

    def _signed(self, path: str, form: dict[str, str], body: bytes) -> dict[str, str]:
        if self.provider == "telnyx":
            now = str(int(time.time()))
            signature = base64.b64encode(PRIVATE.sign(f"{now}|".encode() + body)).decode()
            return {"telnyx-timestamp": now, "telnyx-signature-ed25519": signature}
        key, name = (TOKEN, "Twilio") if self.provider == "twilio" else (SIGNALWIRE_KEY, "SignalWire")
        return {f"X-{name}-Signature": RequestValidator(key).compute_signature(self.ingress.url + path, form)}


def action(document: ElementTree.Element | None, verb: str, attribute: str = "action") -> str:
    assert document is not None
    found = document.find(f".//{verb}")
    assert found is not None, ElementTree.tostring(document)
    return found.attrib[attribute]


async def hold_a_call(line: Line) -> None:
    """Send a webhook of each kind."""
    greeting = await line.post("voice", CallStatus="ringing")
    said = await line.post(action(greeting, "Gather"), SpeechResult="hello", Confidence="0.9")
    keyed = await line.post(action(said, "Gather"), Digits="12")
    silent = await line.post(keyed.find("Redirect").text)
    leaving = await line.post(action(silent, "Gather"), SpeechResult="a person")
    number = action(leaving, "Number", "url")
    announced = await line.post(number, CallSid="CAleg", ParentCallSid=SID, Direction="outbound-dial")
    await line.post(action(announced, "Gather"), CallSid="CAleg", ParentCallSid=SID, Digits="1")
    back = await line.post(action(leaving, "Dial"), DialCallStatus="completed", DialCallDuration="9")
    recording = await line.post(action(back, "Gather"), SpeechResult="a message")
    await line.post(action(recording, "Record"), RecordingUrl="https://example.com/r", RecordingDuration="3")
    await line.post("turn/1/wait?since=0&attempt=1")
    await line.post("voice", ErrorCode="11200", ErrorUrl=f"{line.ingress.url}/{line.provider}/turn/1")
    await line.post("relay/ended", SessionStatus="failed", SessionId="VX1", SessionDuration="3")
    await line.post("status", CallStatus="in-progress")


@pytest.fixture
async def line(request, start_ingress):
    settings = {
        "telnyx_public_key": base64.b64encode(PUBLIC_KEY).decode(), "signalwire_signing_key": SIGNALWIRE_KEY,
    }  # fmt: skip
    async with start_ingress(agent=agent, **settings) as ingress:
        yield Line(ingress, request.param)


async def state_of(line: Line) -> dict[str, Any] | None:
    state = await line.ingress.runtime.states.get_state(SID)
    return None if state is None else state.model_dump(exclude={"version", "updated_at"})


@pytest.mark.parametrize("line", PROVIDERS, indirect=True)
@pytest.mark.parametrize("order", [1, -1], ids=["same order", "other order"])
async def test_a_webhook_of_a_live_call_that_comes_again_changes_nothing(line, order) -> None:
    await hold_a_call(line)
    before = await state_of(line)
    assert before["slots"]["asked"] >= 6
    for webhook in line.sent[::order]:
        await line.replay(webhook)
    assert await state_of(line) == before


@pytest.mark.parametrize("line", PROVIDERS, indirect=True)
@pytest.mark.parametrize("order", [1, -1], ids=["same order", "other order"])
async def test_a_webhook_of_a_call_that_is_over_changes_nothing(line, order) -> None:
    await hold_a_call(line)
    await line.post("status", CallStatus="completed")

    async def is_over() -> bool:
        return (await line.ingress.runtime.states.get_state(SID)).ended is not None

    await wait_until(is_over, "the call has ended")
    before = await state_of(line)
    for webhook in line.sent[::order]:
        await line.replay(webhook)
    assert await state_of(line) == before


@pytest.mark.parametrize("line", PROVIDERS, indirect=True)
async def test_a_webhook_of_an_erased_call_of_any_kind_begins_nothing(line) -> None:
    await hold_a_call(line)
    assert (await line.ingress.client.delete(f"/calls/{SID}?erase=true")).status_code == 204
    line.ingress.turns.clear()
    for webhook in (*line.sent, *line.sent[::-1]):
        document = await line.replay(webhook)
        assert document is None or "You said" not in ElementTree.tostring(document).decode(), webhook.path
        assert await state_of(line) is None, webhook.path
    assert line.ingress.turns == []
    assert await line.ingress.runtime.states.get_active_calls_count() == 0


@pytest.mark.parametrize("apart", [-3 * MINUTES, 0, 3 * MINUTES])
def test_clocks_of_ingresses_may_be_minutes_apart(move_clock, apart) -> None:
    seal, now = Seal("of all ingresses"), clock.now()
    held = HeldTurn(turn=Turn(turn_id="turn-1", call_sid=SID, kind="speech"), since=now).sealed(seal)
    context = OutboundContext(placed_at=now).sealed(seal)
    move_clock(apart)
    assert read_held_turn(seal, held) is not None
    assert read_outbound_context(seal, context) is not None


@pytest.mark.parametrize("direction", [-1, 1])
def test_what_is_sealed_expires(move_clock, direction) -> None:
    seal, now = Seal("of all ingresses"), clock.now()
    held = HeldTurn(turn=Turn(turn_id="turn-1", call_sid=SID, kind="speech"), since=now).sealed(seal)
    context = OutboundContext(placed_at=now).sealed(seal)
    move_clock(direction * (MAX_AGE_SECONDS + MINUTES))
    assert read_held_turn(seal, held) is None
    assert read_outbound_context(seal, context) is not None
    move_clock(direction * MAX_CONTEXT_SECONDS)
    assert read_outbound_context(seal, context) is None


def test_the_context_of_an_older_version_does_not_say_how_old_it_is() -> None:
    seal = Seal("of all ingresses")
    assert read_outbound_context(seal, OutboundContext().sealed(seal)) == OutboundContext()
