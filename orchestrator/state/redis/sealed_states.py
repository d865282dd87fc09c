"""States as Redis has them: JSON, encrypted under their key if the process has encryption keys.

The version stays readable at the front, where the scripts that compare it look for it.
"""

import json
import logging

from orchestrator.conversation.state import ConversationState
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.redis import keys
from orchestrator.sensitive_turns.resealing import resealed_words
from orchestrator.state.reading import read_state

logger = logging.getLogger(__name__)


def sealed_state(cipher: Cipher, state: ConversationState, text: bytes) -> bytes:
    """Return `text`, the JSON of `state`, as it is stored."""
    return cipher.seal(keys.state(state.call_sid), text, {"version": state.version})


def opened_state(cipher: Cipher, call_sid: str, stored: bytes | str) -> ConversationState:
    """Return the stored state. Raise `UnreadableState`: `UnreadableSeal` if it cannot be decrypted."""
    if isinstance(stored, str):  # the client decodes
        stored = stored.encode()
    try:
        text = cipher.open(keys.state(call_sid), stored)
    except UnreadableSeal as error:
        if not error.is_key_missing:  # that is logged where it is found
            logger.error(
                "The state of a call cannot be read: %s",
                error,
                extra={"action": "state.unreadable", "call_sid": call_sid},
            )
        raise
    return read_state(call_sid, text)


def resealed_state(
    cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None
) -> bytes | None:
    """Return the state that is stored under `key` as this process would write it; None if it is like that already.

    So is what sensitive turns brought, with the cipher `sensitive`. Raise `UnreadableSeal`, and ValueError for what is
    no state.
    """
    text = cipher.open(key, stored)
    call_sid = key.removeprefix(keys.STATE_PREFIX)
    inner = text if sensitive is None else resealed_words(call_sid, text, sensitive)
    if inner is text and cipher.is_current(stored):
        return None
    fields = json.loads(text)
    version = fields.get("version") if isinstance(fields, dict) else None
    if type(version) is not int:
        raise ValueError("It has no version.")
    return cipher.seal(key, inner, {"version": version})
