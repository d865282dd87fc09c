"""The TwiML that connects a call with `/twilio/relay`."""

from urllib.parse import urlencode, urlsplit

from twilio.twiml.voice_response import Connect, VoiceResponse

from orchestrator.settings import Settings
from web.twilio.relay.connection_history import ConnectionHistory
from web.twilio.relay.relay_voice import AGENT_PARAMETER
from web.twilio.relay.resumption import HISTORY_PARAMETER, RETURNED_PARAMETER
from web.twilio.relay.tickets import TICKET_PARAMETER
from web.voices.provider_voices import NO_VOICES, ProviderVoices

SOCKET_PATH = "/twilio/relay"
ENDED_PATH = "/twilio/relay/ended"
PAUSE_SECONDS = 1
RECONNECT_ATTRIBUTE = "applicationReconnect"
NO_CONNECTIONS = ConnectionHistory()


def connect(
    base_url: str,
    *,
    ticket: str,
    now: float,
    history: ConnectionHistory = NO_CONNECTIONS,
    failing_since: float | None = None,
    after_pause: bool = False,
    returned: bool = False,
    agent: str = "",
    voices: ProviderVoices = NO_VOICES,
    reconnects: bool = False,
) -> str:
    """Return the TwiML that opens a session.

    `ticket` admits the session; in the action's query it also says which session is over. `now` goes into the query,
    so that we know how long this session has lasted when it ends, and `failing_since` is the time from which sessions
    have failed early (both Unix seconds). `history` has the call's earlier connections. With `after_pause` the
    provider waits `PAUSE_SECONDS` first. `returned` says that the call comes back from the person to whom it was
    transferred. The session begins with the voice that `agent` has among `voices`. With `reconnects` the provider opens
    a lost socket again by itself.

    The socket's URL carries no query, so what the session needs travels as `<Parameter>`s.
    """
    response = VoiceResponse()
    query = {"since": f"{now:.3f}", TICKET_PARAMETER: ticket}
    if history.any:
        query[HISTORY_PARAMETER] = str(history)
    if failing_since is not None:
        query["failing"] = f"{failing_since:.3f}"
    if after_pause:
        response.pause(length=PAUSE_SECONDS)
    verb = Connect(action=f"{ENDED_PATH}?{urlencode(query)}", method="POST")
    speech = voices.relay(agent)
    relay = verb.conversation_relay(
        url=_socket_url(base_url),
        dtmf_detection=True,
        interruptible="any",
        events="speaker-events",
        **({RECONNECT_ATTRIBUTE: "true"} if reconnects else {}),
        **speech.attributes,
    )
    for code, attributes in speech.languages.items():
        relay.language(code=code, **attributes)
    if history.any:
        relay.parameter(name=HISTORY_PARAMETER, value=str(history))
    relay.parameter(name=TICKET_PARAMETER, value=ticket)
    if returned:
        relay.parameter(name=RETURNED_PARAMETER, value="1")
    if agent:
        relay.parameter(name=AGENT_PARAMETER, value=agent)
    response.append(verb)
    return str(response.to_xml())


def provider_reconnects(settings: Settings, provider: str) -> bool:
    """True if the provider is asked to open a lost socket again by itself: Twilio alone knows that."""
    return provider == "twilio" and settings.relay_reconnect == "auto"


def _socket_url(base_url: str) -> str:
    parts = urlsplit(base_url)
    scheme = "wss" if parts.scheme in ("https", "wss") else "ws"
    return parts._replace(scheme=scheme, path=parts.path.rstrip("/") + SOCKET_PATH).geturl()
