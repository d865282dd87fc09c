"""Where an error in a user's own module was raised, in one line, so that no traceback is needed to correct it."""

import sysconfig
import traceback
from pathlib import Path

NOT_THEIRS = tuple(
    sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib") if sysconfig.get_path(name)
)
"""Directories of Python itself and of installed packages."""
OURS = str(Path(__file__).parent)


def described(error: BaseException) -> str:
    """Return `RuntimeError: no such model (front_desk.py:12, in load)`: what was raised, and at which line of the
    user's code.

    This is the innermost line outside of Python's library, installed packages and this package, or else the innermost
    of all. A syntax error names its own line.
    """
    said = error.msg if isinstance(error, SyntaxError) and error.filename else str(error)
    return f"{type(error).__name__}: {said}{_place(error)}"


def _place(error: BaseException) -> str:
    """Return the second part of that, ` (front_desk.py:12, in load)`, or ""."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({_shown(error.filename)}:{error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith("<")]
    theirs = [frame for frame in frames if not frame.filename.startswith((*NOT_THEIRS, OURS))]
    if not theirs:
        theirs = [frame for frame in frames if not frame.filename.startswith(OURS)]
    if not theirs:
        return ""
    frame = theirs[-1]
    function = "" if frame.name == "<module>" else f", in {frame.name}"
    return f" ({_shown(frame.filename)}:{frame.lineno}{function})"


def _shown(filename: str) -> str:
    """Return the path relative to the current directory, if it is inside."""
    path = Path(filename)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else filename
