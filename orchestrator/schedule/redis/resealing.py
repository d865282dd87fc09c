"""Writes the items of a schedule anew under another key."""

from orchestrator.encryption.cipher import Cipher
from orchestrator.redis import keys
from orchestrator.schedule.redis.scripts import item_place
from orchestrator.sensitive_turns.resealing import resealed_words


def sealed_in_schedule(field: str, stored: bytes) -> list[bytes]:
    """Return what is encrypted in this field of a schedule, or would be with keys."""
    return [stored.partition(b"\n")[2]] if field.startswith("i:") else []


def resealed_item(cipher: Cipher, key: str, field: str, stored: bytes, sensitive: Cipher | None = None) -> bytes | None:
    """Return the field of the schedule `key` as this process would write it; None if it is like that already.

    So is what sensitive turns brought, with the cipher `sensitive`. Raise `UnreadableSeal`, and ValueError for what is
    damaged.
    """
    if not field.startswith("i:"):
        return None
    place = item_place(key, field.removeprefix("i:"))
    call_sid = key.removeprefix("{" + keys.STATE_PREFIX).rpartition("}:")[0]
    header, _, body = stored.partition(b"\n")
    text = cipher.open(place, body)
    inner = text if sensitive is None else resealed_words(call_sid, text, sensitive)
    if inner is text and cipher.is_current(body):
        return None
    return header + b"\n" + cipher.seal(place, inner)
