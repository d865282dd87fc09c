"""TwiML that connects a call with `/twilio/relay`, and that goes on after a session."""

from urllib.parse import urlencode, urlsplit

from twilio.twiml.voice_response import Connect, VoiceResponse

from web.twilio.relay.connection_history import ConnectionHistory
from web.twilio.relay.resumption import HISTORY_PARAMETER, RETURNED_PARAMETER
from web.twilio.relay.tickets import TICKET

SOCKET_PATH = "/twilio/relay"
ENDED_PATH = "/twilio/relay/ended"
PAUSE_SECONDS = 1
FIRST = ConnectionHistory()


def connect(
    base_url: str,
    *,
    ticket: str,
    now: float,
    history: ConnectionHistory = FIRST,
    failing_since: float | None = None,
    in_a_moment: bool = False,
    returned: bool = False,
) -> str:
    """Open a session of a call that has had these `history`, `in_a_moment` after a breath; of one that has `returned`
    from the person with whom it was connected.

    The `ticket` opens the session, and the action's query tells by it whose session is over. The query also says when
    this document was made, so that the next session can be told how long this one has lasted, and since when sessions
    have failed early. The socket's URL carries no query: what the session needs travels as a `<Parameter>`.
    """
    response = VoiceResponse()
    query = {"since": f"{now:.3f}", TICKET: ticket}
    if history.any:
        query[HISTORY_PARAMETER] = str(history)
    if failing_since is not None:
        query["failing"] = f"{failing_since:.3f}"
    if in_a_moment:
        response.pause(length=PAUSE_SECONDS)
    verb = Connect(action=f"{ENDED_PATH}?{urlencode(query)}", method="POST")
    relay = verb.conversation_relay(
        url=_socket_url(base_url), dtmf_detection=True, interruptible="any", events="speaker-events"
    )
    if history.any:
        relay.parameter(name=HISTORY_PARAMETER, value=str(history))
    relay.parameter(name=TICKET, value=ticket)
    if returned:
        relay.parameter(name=RETURNED_PARAMETER, value="1")
    response.append(verb)
    return str(response.to_xml())


def _socket_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    return parts._replace(scheme=scheme, path=parts.path.rstrip("/") + SOCKET_PATH).geturl()
