"""Numbers on a command line. A wrong one is refused in a sentence that says what it must be."""

import argparse
import math

MOST_PORT = 65_535


def count(text: str) -> int:
    """Return a whole number, 1 or more."""
    return _whole(text, 1, None, "a whole number, 1 or more")


def revision(text: str) -> int:
    """Return the revision of a plan; 0 is that of none."""
    return _whole(text, 0, None, "a whole number, 0 or more")


def port(text: str) -> int:
    """Return a TCP port; 0 is any that is free."""
    return _whole(text, 0, MOST_PORT, f"a port, 0 to {MOST_PORT}")


def positive(text: str) -> float:
    """Return a number above 0."""
    number = _number(text, "a number above 0")
    if number <= 0:
        raise _refused(text, "a number above 0")
    return number


def not_negative(text: str) -> float:
    """Return a number, 0 or more."""
    return _between(text, 0, math.inf, "a number, 0 or more")


def share(text: str) -> float:
    """Return a number from 0 to 1."""
    return _between(text, 0, 1, "a number from 0 to 1")


def pace(text: str) -> float:
    """Return characters a second; 0 is all at once."""
    return _between(text, 0, 100_000, "a number from 0 to 100000")


def _whole(text: str, least: int, most: int | None, wanted: str) -> int:
    try:
        number = int(text)
    except ValueError:
        raise _refused(text, wanted) from None
    if number < least or (most is not None and number > most):
        raise _refused(text, wanted)
    return number


def _between(text: str, least: float, most: float, wanted: str) -> float:
    number = _number(text, wanted)
    if not least <= number <= most:
        raise _refused(text, wanted)
    return number


def _number(text: str, wanted: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise _refused(text, wanted) from None
    if not math.isfinite(number):
        raise _refused(text, wanted)
    return number


def _refused(text: str, wanted: str) -> argparse.ArgumentTypeError:
    return argparse.ArgumentTypeError(f"{text!r} will not do: give {wanted}.")
