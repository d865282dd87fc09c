"""A simulated telephone provider: it calls a VoiceAgent server as the real one would.

    line = PhoneLine("http://127.0.0.1:8000")
    async for event in line.call():
        match event:
            case Said(text=text):
                print(text)
            case Asked():
                line.answer_speech("I need an appointment")

The server decides whether the call is one of `<Gather>` or of a relay. The events are the same, except that a relay
also reports what is being said right now (`Speaking`), and accepts answers at any time. The terminal phone, the tests
and the load tools all make their calls with it.
"""

from orchestrator.provider_simulator.colleagues import Colleague, Colleagues
from orchestrator.provider_simulator.events import (
    Asked,
    ColleagueHeard,
    ColleaguePressed,
    Connected,
    Dialled,
    Event,
    HungUp,
    Interrupted,
    LostLine,
    Played,
    Problem,
    Recorded,
    Recording,
    Ringing,
    Said,
    SpeakerChanged,
    Speaking,
    Waiting,
)
from orchestrator.provider_simulator.identity import CallIdentity
from orchestrator.provider_simulator.line import PhoneLine
from orchestrator.provider_simulator.playback import PlaybackSpeed
from orchestrator.provider_simulator.relay_reconnect import RelayReconnect
from orchestrator.provider_simulator.retries import PATIENT, PROVIDER_DEFAULT, RetryPolicy

__all__ = [
    "PATIENT",
    "PROVIDER_DEFAULT",
    "Asked",
    "CallIdentity",
    "Colleague",
    "ColleagueHeard",
    "ColleaguePressed",
    "Colleagues",
    "Connected",
    "Dialled",
    "Event",
    "HungUp",
    "Interrupted",
    "LostLine",
    "PhoneLine",
    "PlaybackSpeed",
    "Played",
    "Problem",
    "Recorded",
    "Recording",
    "RelayReconnect",
    "RetryPolicy",
    "Ringing",
    "Said",
    "SpeakerChanged",
    "Speaking",
    "Waiting",
]
