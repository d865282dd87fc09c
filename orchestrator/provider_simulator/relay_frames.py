"""The frames of a relay, as the provider sends and accepts them."""

import json
from collections.abc import Mapping
from typing import Any

from orchestrator.provider_simulator.identity import CallIdentity


def setup(session_id: str, who: CallIdentity, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Return the first frame of a session; `parameters` are those of the TwiML that asked for it."""
    return {
        "type": "setup",
        "sessionId": session_id,
        "accountSid": who.account_sid,
        "parentCallSid": "",
        "callSid": who.call_sid,
        "from": who.from_number,
        "to": who.to_number,
        "forwardedFrom": "",
        "callType": "PSTN",
        "callerName": "",
        "direction": who.direction,
        "callStatus": "RINGING",
        "customParameters": dict(parameters),
    }


def taken(message: str | bytes) -> dict[str, Any] | None:
    """Return the frame, or None if the provider does not accept it."""
    try:
        frame = json.loads(message) if isinstance(message, str) else None
    except ValueError:
        return None
    if not isinstance(frame, dict) or frame.get("type") not in _NEEDED:
        return None
    needed: Mapping[str, type] = _NEEDED[frame["type"]]
    if frame["type"] == "language" and not _is_language(frame):
        return None
    return frame if all(isinstance(frame.get(name), kind) for name, kind in needed.items()) else None


def _is_language(frame: Mapping[str, Any]) -> bool:
    """True if the frame has at least one language and no field that the provider does not know."""
    fields = {name: value for name, value in frame.items() if name != "type"}
    return bool(fields) and fields.keys() <= _LANGUAGE_FIELDS and all(v and isinstance(v, str) for v in fields.values())


_NEEDED: Mapping[str, Mapping[str, type]] = {
    "text": {"token": str},
    "play": {"source": str},
    "sendDigits": {"digits": str},
    "language": {},
    "end": {},
}
_LANGUAGE_FIELDS = frozenset({"ttsLanguage", "transcriptionLanguage"})
