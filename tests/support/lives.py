"""What befell the processes of a deployment, by the clock of the world."""

import time
from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Life:
    """One process, from its start to its end. Times are Unix seconds; None: it did not come to that.

    `killed_at` is when it was killed, `asked_at` when it was asked to leave, `freezes` from when until when it stood
    still.
    """

    name: str
    role: Literal["ingress", "worker"]
    pid: int
    began: float = field(default_factory=time.time)
    asked_at: float | None = None
    killed_at: float | None = None
    ended_at: float | None = None
    freezes: list[tuple[float, float]] = field(default_factory=list)

    def freeze(self) -> None:
        """Note that it stands still from now on."""
        self.freezes.append((time.time(), float("inf")))

    def thaw(self) -> None:
        """Note that it goes on, if it stood still."""
        if self.freezes and self.freezes[-1][1] == float("inf"):
            self.freezes[-1] = (self.freezes[-1][0], time.time())

    def end(self) -> None:
        """Note that it is gone."""
        self.thaw()
        self.ended_at = self.ended_at or time.time()
