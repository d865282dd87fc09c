"""The ids of turns."""

START = "start"
"""The id of a call's first turn, on every channel."""

_NUMBERED = "turn-"


def turn_id_of(number: int) -> str:
    """Return the id of a call's n-th turn over webhooks; 0 is its beginning."""
    return f"{_NUMBERED}{number}" if number else START


def number_of(turn_id: str) -> int | None:
    """Return the number of a turn over webhooks; None for the turns of other channels."""
    if turn_id == START:
        return 0
    digits = turn_id.removeprefix(_NUMBERED)
    is_ours = digits != turn_id and digits.isascii() and digits.isdecimal() and len(digits) < 9
    return int(digits) if is_ours else None
