"""TwiML that connects a call with `/twilio/relay`, and that goes on after a session."""

from urllib.parse import urlencode, urlsplit

from twilio.twiml.voice_response import Connect, VoiceResponse

from web.twilio.relay.conversation import LOST_AT

SOCKET_PATH = "/twilio/relay"
ENDED_PATH = "/twilio/relay/ended"


def connect(base_url: str, *, now: float, lost_at: float | None = None, attempt: int = 0) -> str:
    """Open a session. `lost_at` (Unix seconds) is when the one before it was lost, if there was one.

    The action's query says when this document was made, so that the next session can be told how long this one
    has lasted, and how many sessions in a row have failed early. The socket's URL carries no query: what the session
    needs travels as a `<Parameter>`.
    """
    response = VoiceResponse()
    query = urlencode({"since": f"{now:.3f}", "attempt": attempt})
    verb = Connect(action=f"{ENDED_PATH}?{query}", method="POST")
    relay = verb.conversation_relay(
        url=_socket_url(base_url), dtmf_detection=True, interruptible="any", events="speaker-events"
    )
    if lost_at is not None:
        relay.parameter(name=LOST_AT, value=f"{lost_at:.3f}")
    response.append(verb)
    return str(response.to_xml())


def nothing() -> str:
    """The call is over."""
    return str(VoiceResponse().to_xml())


def _socket_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    return parts._replace(scheme=scheme, path=parts.path.rstrip("/") + SOCKET_PATH).geturl()
