"""Emoji, and HTML entities."""

from html import unescape

JOINER = "\u200d"
LONGEST_ENTITY = 10
_ENTITIES = ("amp", "lt", "gt", "quot", "apos", "nbsp", "hellip", "mdash", "ndash", "rsquo", "lsquo", "ldquo", "rdquo")
_EMOJI = (
    (0x1F000, 0x1FAFF),  # pictures, flags, skin tones
    (0x2600, 0x27BF),  # miscellaneous symbols and dingbats
    (0x2B05, 0x2B55),  # arrows, squares, stars
    (0x231A, 0x23FF),  # watches and media keys
    (0xFE00, 0xFE0F),  # variation selectors
    (0x20E3, 0x20E3),  # the frame of a keycap: the digit in it stays
    (0xE0020, 0xE007F),  # tags of flags
)


def is_emoji(character: str) -> bool:
    """True if a character is an emoji or a part of one."""
    code = ord(character)
    return code >= 0x20E3 and any(first <= code <= last for first, last in _EMOJI)


def entity_at(text: str, at: int) -> tuple[str, int] | None:
    """Return the character of the entity `&name;` at `at`, and where it ends; None if there is no complete one."""
    end = text.find(";", at, at + LONGEST_ENTITY)
    name = text[at + 1 : end] if end > 0 else ""
    if name in _ENTITIES or (name.startswith("#") and name[1:].lstrip("xX").isalnum()):
        meant = unescape(text[at : end + 1])
        return (" " if meant == "\xa0" else meant, end + 1) if len(meant) == 1 else None
    return None


def may_become_entity(text: str, at: int) -> bool:
    """True if the text from `at` on may be the beginning of an entity."""
    name = text[at + 1 :]
    if len(name) >= LONGEST_ENTITY or ";" in name:
        return False
    return any(known.startswith(name) for known in _ENTITIES) or (
        name[:1] == "#" and (name[1:] in ("", "x", "X") or name[1:].lstrip("xX").isalnum())
    )
