"""What ingresses exchange, so that each can open what another has sealed."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class SharedKeys:
    """The keys that all ingresses know.

    All seal with `current`; "" if the settings have the key. Some have sealed with `others` before they knew it.
    `age_seconds` is how long ago the first ingress that shares keys has joined.
    """

    current: str = field(repr=False)
    others: tuple[str, ...] = field(repr=False)
    age_seconds: float


class SealKeyExchange(Protocol):
    """Where the ingresses share their keys."""

    async def exchange(self, proposed: str, used: Sequence[str] = ()) -> SharedKeys:
        """Propose a key ("" for none), add the keys that were `used`, and return what all ingresses know.

        Raises `StoreUnavailable`.
        """
