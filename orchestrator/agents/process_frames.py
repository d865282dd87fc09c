"""What a process that runs agents and the one that started it tell each other, over a socket that nobody else has.

A frame is its length (4 bytes, big endian) and one JSON object. To the child:

- `{"settings", "path", "process"}` first: the pickled settings in base64, `sys.path`, and the name for the log;
- `{"begin": run, "turn", "state"}`; `{"cancel": run}`; `{"took": run, "parts": n}`: there is room for `n` more;
- `{"ping": n}`.

From the child: `{"ready": true}` or `{"unable": sentence}`, then

- `{"part": run}` with `text` or `action`;
- one of `{"end": run, "slots", "phase"}`, `{"stopped": run}` with `slots` and `phase` if what the agent had changed
  until then holds, `{"error": run, "kind", "where", "text"}`;
- `{"pong": n}`.
"""

import asyncio
import json
import struct
from typing import Any

MOST_BYTES = 32 << 20
AHEAD = 64
"""How many parts of a run the child may have sent that nobody has taken; then its agent waits."""

_LENGTH = struct.Struct(">I")

Frame = dict[str, Any]


def packed(frame: Frame) -> bytes:
    """The frame as it travels. Raises ValueError for one that is too long."""
    body = json.dumps(frame).encode()
    if len(body) > MOST_BYTES:
        raise ValueError(f"more than {MOST_BYTES} bytes cannot pass between the processes")
    return _LENGTH.pack(len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """The next frame; None when the other side is gone, or speaks another language."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MOST_BYTES:
            return None
        frame = json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, OSError, ValueError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None
