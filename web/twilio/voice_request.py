"""`VoiceRequest`: the fields of a voice webhook, parsed strictly."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast
from urllib.parse import urlsplit

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from orchestrator.conversation.call_sid import checked_call_sid
from orchestrator.conversation.reply import Reply
from orchestrator.conversation.turn import Turn, TurnKind
from orchestrator.errors import BadCallSid
from orchestrator.settings import Settings
from orchestrator.turns.call_limits import PLACED
from web.request_headers import header
from web.twilio.language import CONTINUE, Languages
from web.voices.voices import Voices

MAX_TURN_NUMBER = 99_999
_NO_QUERY: Mapping[str, str] = {}
# What `_is_url` nearly always gets, and finds to be a URL.
_PLAIN_HOST = re.compile(r"https?://[A-Za-z0-9.-]+(?::(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}))?")


@dataclass(frozen=True)
class VoiceRequest:
    """One voice webhook. Fields that the provider left out are empty. `host_url` is the scheme and host of the request,
    as this process sees them. `form` has all fields of the form, for those that only some webhooks have."""

    call_sid: str
    call_status: str
    direction: str
    from_number: str
    to_number: str
    speech: str
    digits: str
    confidence: float | None
    number: str
    query: Mapping[str, str]
    host_url: str = ""
    session_status: str = ""
    session_duration: str = ""
    handoff_data: str = ""
    error_code: str = ""
    answered_by: str = ""
    provider: str = "twilio"
    form: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, request: Request, form: FormData) -> "VoiceRequest":
        """Return the webhook as typed fields. Answer 400 without a usable `CallSid`."""
        texts = cast("dict[str, str]", dict(form.multi_items()))  # the last one, where a name comes twice
        return cls(
            call_sid=_call_sid(texts.get("CallSid", "")),
            call_status=texts.get("CallStatus", "").strip().lower(),
            direction=texts.get("Direction") or "inbound",
            from_number=texts.get("From", ""),
            to_number=texts.get("To", ""),
            speech=texts.get("SpeechResult", "").strip(),
            digits=texts.get("Digits", "").strip(),
            confidence=_confidence(texts.get("Confidence")),
            number=request.path_params.get("n", "0"),
            query=request.query_params if request.scope["query_string"] else _NO_QUERY,
            host_url=_host_url(request),
            session_status=texts.get("SessionStatus", ""),
            session_duration=texts.get("SessionDuration", ""),
            handoff_data=texts.get("HandoffData", ""),
            error_code=texts.get("ErrorCode", "")[:20],
            answered_by=texts.get("AnsweredBy", "")[:40],
            form=texts,
        )

    @property
    def kind(self) -> TurnKind:
        """What the caller did: keys win over speech."""
        return "keys" if self.digits else "speech" if self.speech else "silence"

    @property
    def is_lost(self) -> bool:
        """True if the caller may not have heard the last reply: an earlier webhook failed, or we have asked the
        provider to come, which ends what it was doing."""
        return bool(self.error_code or self.query.get(CONTINUE))

    @property
    def opening(self) -> dict[str, Any]:
        """The fields of a new call's state."""
        return {
            "channel": "gather",
            "direction": self.direction,
            "from_number": self.from_number,
            "to_number": self.to_number,
            **({"provider": self.provider} if self.provider != "twilio" else {}),
        }

    @property
    def is_placed(self) -> bool:
        """True for a call that was placed from our side."""
        return self.direction.startswith(PLACED)

    @property
    def our_number(self) -> str:
        """The number whose route the call has: the one that was called, or that placed the call."""
        return self.from_number if self.is_placed else self.to_number

    def base_url(self, settings: Settings) -> str:
        """Return the URL at which the provider reaches this deployment, without a path of ours."""
        return settings.public_base_url or self.host_url

    def languages(self, voices: Voices) -> Languages:
        """Return who has the call, and how it sounds and hears, by the URL of an earlier answer."""
        return Languages.of(self.query, voices.at(self.provider))

    @property
    def numbered(self) -> int | None:
        """The number in the path, 0 where the path has none; None when no turn can have that number."""
        digits = self.number
        if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MAX_TURN_NUMBER)):
            number = int(digits)
            if number <= MAX_TURN_NUMBER and digits == str(number):
                return number
        return None

    def turn_number(self, *, at_least: int) -> int:
        """Return the number in the path. Answer 404 when no turn can have it."""
        number = self.numbered
        if number is not None and number >= at_least:
            return number
        raise HTTPException(404, f"No turn has that number: turns are numbered from {at_least}.")

    def turn(self, turn_id: str) -> Turn:
        """Return what the caller did, as a turn; or that we asked the provider to come, which needs no answer."""
        kind = self.kind
        if kind == "silence" and self.query.get(CONTINUE):
            return Turn(turn_id=turn_id, call_sid=self.call_sid, kind=kind, given_reply=Reply())
        return Turn(
            turn_id=turn_id,
            call_sid=self.call_sid,
            kind=kind,
            text=self.digits or self.speech,
            digits=self.digits,
            confidence=self.confidence if kind == "speech" else None,
        )

    def started(self, turn_id: str) -> Turn:
        """Return the beginning of the call, as a turn."""
        return Turn(turn_id=turn_id, call_sid=self.call_sid, kind="started")


def _host_url(request: Request) -> str:
    url = f"{request.scope['scheme']}://{header(request, b'host')}"
    if not (_PLAIN_HOST.fullmatch(url) or _is_url(url)):
        raise HTTPException(400, "The Host header makes no URL.")
    return url


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0 and parts.geturl() == url and not parts.path
    except ValueError:
        return False


def _call_sid(call_sid: str) -> str:
    if not call_sid:
        raise HTTPException(400, "The form has no CallSid.")
    try:
        return checked_call_sid(call_sid)
    except BadCallSid as error:
        raise HTTPException(400, str(error)) from None


def _confidence(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return min(max(value, 0.0), 1.0) if math.isfinite(value) else None
