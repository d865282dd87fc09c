"""What may still be written of a call while it is erased: whoever writes beside its turns looks afterwards."""

from collections.abc import Awaitable, Callable

DropErased = Callable[[str, str], Awaitable[bool]]
"""Delete what was written to a key of a call, if the call was erased. Arguments: the call SID, the key. Return whether
it was erased: the mark of that comes before anything is deleted, so that one of both finds the other."""


async def nothing_erased(call_sid: str, key: str) -> bool:
    """Take it that no call was erased."""
    return False
