"""The one rule for call SIDs. They are opaque text: Twilio's look like `CA…`, Telnyx's like `v2:T02…`."""

from orchestrator.errors import BadCallSid

MAX_CALL_SID_BYTES = 256


def checked_call_sid(call_sid: str) -> str:
    """Return `call_sid` unchanged, or raise `BadCallSid`.

    Braces would move the call's keys to another slot of a Redis cluster; control characters would
    break log lines.
    """
    try:
        size = len(call_sid.encode())
    except UnicodeEncodeError:
        raise BadCallSid from None
    if not 0 < size <= MAX_CALL_SID_BYTES or "{" in call_sid or "}" in call_sid or not call_sid.isprintable():
        raise BadCallSid
    return call_sid


def call_sid_of(name: bytes | str) -> str | None:
    """Return `name`, read from a store, as a call SID; None if it breaks the rule."""
    try:
        return checked_call_sid(name if isinstance(name, str) else name.decode())
    except (UnicodeDecodeError, BadCallSid):
        return None
