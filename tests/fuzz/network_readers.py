"""Readers of what comes over the network. Those that need a running ingress are tried over it (`request_fuzzer.py`)."""

import json
from typing import Any
from urllib.parse import parse_qsl

from fuzz.target import Target
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection

from orchestrator import clock
from orchestrator.agents.spoken_text import SpeechFilter
from orchestrator.agents.spoken_text.tool_text import calls_in
from orchestrator.api_keys.key import ApiKey, keys_in
from orchestrator.conversation.call_sid import call_sid_of, checked_call_sid
from orchestrator.dial_allow import objection
from orchestrator.errors import BadCallSid, BadRecordQuery
from orchestrator.records.record_query import life_in, record_query
from orchestrator.routes.choice import ANY_AGENT
from orchestrator.routes.hook import BadAnswer, checked_answer
from orchestrator.routes.opening_hours import opening_hours
from orchestrator.tracing.active_span import read_traceparent
from web.api.session_cookie import read_session, session_value, session_values
from web.form import form_of
from web.outbound.outbound_call import read_outbound_context
from web.seal import Seal
from web.twilio.held_turn import read_held_turn
from web.twilio.language import Languages
from web.twilio.relay.connection_history import read_history
from web.twilio.relay.inbound_frames import read_frame
from web.twilio.relay.sent_replies import read_sent_replies
from web.twilio.relay.tickets import read_ticket
from web.twilio.transfer.way_back import way_back_of

SEAL = Seal("a key of these tests, of 32 characters")
SEALED = (
    b"gAAAAABrCTzz2GyLRkCsVTKFzFfzLbqW74h5u7ScayZoRHRNiWf35H_u4CZ0mHAFh7Btgx"
    b"XGP0-MdHTSe4kJVGJ_zdQmjf-As9wHh3dvfLSX0ignc0NrDA4="
)
"""What `SEAL` opens: a literal, since each sealing makes another one."""
NOW = "2026-11-27T08:00:00Z"
TURN: dict[str, Any] = {"turn_id": "t1", "call_sid": "CA1", "kind": "speech", "text": "hi", "received_at": NOW}


def text(data: bytes) -> str:
    """Return the input as a text that may come out of JSON: it may hold half of a surrogate pair."""
    return data.decode(errors="surrogateescape").replace("\udcff", "\ud800")


def query(data: bytes) -> dict[str, str]:
    """Return the input as the parameters of a URL."""
    return dict(parse_qsl(data.decode(errors="replace"), keep_blank_values=True))


def encoded(value: Any) -> bytes:
    """Return the value as JSON."""
    return json.dumps(value).encode()


def spoken(data: bytes) -> str:
    """Return what is said of what a model writes, in pieces of seven characters."""
    words, said = SpeechFilter(["hang_up"]), ""
    written = text(data)
    for at in range(0, len(written), 7):
        said += words.feed(written[at : at + 7])
    return said + words.end()


def frame(data: bytes) -> object:
    """Read a frame; what it gives can be stored."""
    found = read_frame(text(data))
    for name in found.__dataclass_fields__:
        str(getattr(found, name)).encode()
    return found


def in_seal(read: Any) -> Any:
    """Return a reader of what is sealed, for content that was sealed by us."""
    return lambda data: read(SEAL, SEAL.wrap(data))


def held_turn(data: bytes) -> object:
    """Read a held turn; that of the example is held at this moment, since an old one is refused."""
    return in_seal(read_held_turn)(data.replace(str(THIS_MOMENT).encode(), str(clock.now()).encode()))


TICKET = {"relay": ["CA1", "twilio", 3, 1.5], "choice": {"agent": "a", "slots": {"x": 1}}, "first_turn": TURN}
THIS_MOMENT = 4e9
HELD = {
    "turn": TURN,
    "opening": {"channel": "gather"},
    "since": THIS_MOMENT,
    "admission": {"limited_as": "a", "max_calls": 1},
}
WAY_BACK = b"left=transfer&by=turn-3&target=1&to=%2B15550001111&then=return&key=1&more=1&seconds=12&attempt=2&since=1.5"

SESSION_KEY = ApiKey("office", frozenset({"read"}), "0" * 64)


def browser_with(cookies: bytes) -> HTTPConnection:
    """Return a request with this header."""
    return HTTPConnection({"type": "http", "headers": [(b"cookie", cookies)]})


TARGETS = (
    Target("form", lambda data: form_of(data).multi_items(), (
        b"CallSid=CA1&From=%2B15551234567&SpeechResult=two+words&Confidence=0.9", b"",
    ), (HTTPException,)),
    Target("relay-frame", frame, (
        b'{"type":"setup","callSid":"CA1","sessionId":"VX1","from":"+1","to":"+2","customParameters":{"ticket":"a"}}',
        b'{"type":"prompt","voicePrompt":"hello","lang":"en-US","last":true}', b'{"type":"dtmf","digit":"1"}',
        b'{"type":"interrupt","utteranceUntilInterrupt":"a b","durationUntilInterruptMs":"460"}',
        b'{"type":"error","description":"x"}', b'{"type":"info","name":"n","value":"v"}',
    )),
    Target("sealed-text", lambda data: SEAL.unwrap(text(data)), (SEALED,)),
    Target("ticket", in_seal(read_ticket), (encoded(TICKET),)),
    Target("held-turn", held_turn, (encoded(HELD),)),
    Target("outbound-context", in_seal(read_outbound_context), (
        encoded({"slots": {"name": "Ada"}, "machine_detection": "hang_up", "choice": {"agent": "a"}}),
    )),
    Target("sent-replies", lambda data: read_sent_replies(text(data)), (
        encoded({"at": 1.5, "seconds_left": 2, "replies": [{"turn_id": "t1", "said": "a", "actions": 1}]}),
    )),
    Target("connection-history", lambda data: str(read_history(text(data))), (b"1.000-2.000 3.000-4.500",)),
    Target("way-back", lambda data: way_back_of(query(data)), (WAY_BACK,)),
    Target("language-query", lambda data: Languages.of(query(data)), (
        b"speech=sv-SE&recognition=en&agent=north&voice=Google.en&tts=Google&sensitive=1",
    )),
    Target("record-life", lambda data: life_in(query(data)), (b"started_at=2026-11-26T00:00:00Z",), (BadRecordQuery,)),
    Target("record-query", lambda data: record_query(query(data)), (
        b"from=2026-11-26&to=2026-11-27T10:00:00%2B01:00&number=%2B1555&text=knee&limit=10",
        b"cursor=WyIyMDI2LTExLTI2VDAwOjAwOjAwKzAwOjAwIiwgIkNBMSJd&call_sid=CA1",
    ), (BadRecordQuery,)),
    Target("call-sid", lambda data: (call_sid_of(data), checked_call_sid(text(data))), (b"CA00", b"a:b"),
           (BadCallSid,)),
    Target("traceparent", lambda data: read_traceparent(text(data)), (
        b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    )),
    Target("destination", lambda data: (objection(text(data), caller="+15551234567", allowed=None),), (
        b"+15557654321", b"sip:desk@example.com;transport=tls?x=y", b"client:anna", b"sips:a@[2001:db8::1]:5061",
    )),
    Target("hook-answer", lambda data: checked_answer(json.loads(data), ANY_AGENT, {"north"}), (
        encoded({"agent": "north", "slots": {"vip": True}, "refuse": "No."}), b'"north"', b"null",
    ), (BadAnswer, ValueError, RecursionError)),
    Target("api-keys", lambda data: keys_in(text(data)), (b"reporting:read+dial:" + b"0" * 64,), (ValueError,)),
    Target("session", lambda data: read_session([text(data)], (SESSION_KEY,), SEAL.keys, 0), (
        session_value(SESSION_KEY, 4_000_000_000, SEAL.keys).encode(),
    )),
    Target("session-cookie", lambda data: session_values(browser_with(data)), (
        b"a=b; voiceagent_session=API_KEY:4000000000:00; c", b"voiceagent_session=",
    )),
    Target("opening-hours", lambda data: opening_hours(text(data)), (b"Mo-Fr 08:00-18:00; Sa 10:00-12:00,13:00-14:00",),
           (ValueError,)),
    Target("model-text", spoken, (
        b"<think>plan</think>**Hi** [our site](https://example.com/x) hang_up(reason='done')",
        b'```json\n{"name": "hang_up", "arguments": {"reason": "done"}}\n```', b"| a | b |\n|:--|--:|\n1. one\n",
    )),
    Target("model-call", lambda data: calls_in(text(data), "hang_up"), (
        b'{"name": "hang_up", "arguments": {"reason": "done"}}', b"print(hang_up(reason='done', n=[1, {'a': 2}]))",
        b"<function=hang_up><parameter=reason>done</parameter></function>",
    )),
)  # fmt: skip
