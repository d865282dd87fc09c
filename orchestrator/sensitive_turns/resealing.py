"""Writes what sensitive turns brought under another key: their words lie encrypted in what is stored as JSON."""

import json
from collections.abc import Iterator
from typing import Any

from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.sensitive_turns import hiding, replies, slots, words

_MARKS = (b'"sealed_words"', b'"hidden_slots"', b'"hidden_words"')


def resealed_words(call_sid: str, text: bytes, cipher: Cipher) -> bytes:
    """Return the JSON `text` of something of this call, with its encrypted words under the first key of `cipher`.

    It is `text` itself if they are. Raise `UnreadableSeal` if a key is missing; what nobody can open stays as it is.
    """
    if not any(mark in text for mark in _MARKS):
        return text
    fields = json.loads(text)
    changed = [_reseal(call_sid, holder, name, cipher) for holder, name in _holders(fields)]
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() if any(changed) else text


def _holders(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield each object in `value` that has encrypted words, with the name of the field."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from ((one, name) for name in ("sealed_words", "hidden_slots", "hidden_words") if one.get(name))
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _reseal(call_sid: str, holder: dict[str, Any], name: str, cipher: Cipher) -> bool:
    before = holder[name]
    if name == "sealed_words":
        holder[name] = _one(before, (hiding.turn_place(call_sid), replies.reply_place(call_sid)), cipher)
    elif name == "hidden_slots" and isinstance(before, dict):
        holder[name] = {
            slot: _one(sealed, (slots.slot_place(call_sid, slot),), cipher) for slot, sealed in before.items()
        }
    elif isinstance(before, list):
        holder[name] = [_one(sealed, (words.words_place(call_sid),), cipher) for sealed in before]
    return bool(holder[name] != before)


def _one(sealed: Any, places: tuple[str, ...], cipher: Cipher) -> Any:
    """Return the value as `cipher` would write it, at whichever of the `places` it was written for."""
    if not isinstance(sealed, str) or cipher.is_current(sealed.encode()):
        return sealed
    for place in places:
        try:
            return cipher.seal(place, cipher.open(place, sealed.encode())).decode()
        except UnreadableSeal as error:
            if error.is_key_missing:
                raise
    return sealed
