"""Log lines about calls that the channels share, so that each action has one message and one level."""

import logging
from typing import Any

logger = logging.getLogger(__name__)


def log_restarted(call_sid: str, turn_id: str) -> None:
    """Log that a call whose state was lost begins again: memory was restarted, or a TTL ran out."""
    extra = {"action": "call.restarted", "call_sid": call_sid, "turn_id": turn_id}
    logger.info("Nothing is known of the call any more; it begins again", extra=extra)


def log_hold_timed_out(why: str, **extra: Any) -> None:
    """Log that a caller was held for as long as is allowed, and gets an apology. `extra` names the call."""
    logger.error("Hold timed out; apologising to the caller: %s", why, extra={"action": "call.hold_timed_out", **extra})
