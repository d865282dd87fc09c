"""The protocol between an agent process (the child) and the process that started it (the parent), over a socket pair.

A frame is its length (4 bytes, big endian) and one JSON object. `run` is the number that the parent gave a run.

    parent                                                           child
      {"settings", "path", "process"}                           ──>  pickled settings in base64, `sys.path`, log name
      <──  {"ready": true} or {"unable": sentence}
      {"begin": run, "turn", "state"}                           ──>  runs the agent
      <──  {"part": run, "text"} or {"part": run, "action"}          at most `WINDOW` parts ahead of the parent
      {"took": run, "parts": n}                                 ──>  may send `n` more parts
      {"cancel": run}                                           ──>  cancels the agent
      {"ping": n}                                               ──>
      <──  {"pong": n}
      <──  {"counts": {…}}                                           what was counted, before the last frame of a run

The last frame of a run is one of

- `{"end": run, "slots", "phase"}`;
- `{"stopped": run}` after `cancel`, with `slots` and `phase` if the agent's changes until then are valid;
- `{"error": run, "kind", "where", "text"}` if the agent raised: type, place and traceback of the error.
"""

import asyncio
import json
import struct
from typing import Any

MAX_FRAME_BYTES = 32 << 20
WINDOW = 64
"""The most parts of a run that the child may send ahead of the parent; then its agent waits."""

_LENGTH = struct.Struct(">I")

Frame = dict[str, Any]


def packed(frame: Frame) -> bytes:
    """Return the bytes of a frame. Raise ValueError if it is longer than `MAX_FRAME_BYTES`."""
    body = json.dumps(frame).encode()
    if len(body) > MAX_FRAME_BYTES:
        raise ValueError(f"more than {MAX_FRAME_BYTES} bytes cannot pass between the processes")
    return _LENGTH.pack(len(body)) + body


async def read_frame(reader: asyncio.StreamReader) -> Frame | None:
    """Return the next frame, or None if the other side is gone or has sent something that is not a frame."""
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        if length > MAX_FRAME_BYTES:
            return None
        frame = json.loads(await reader.readexactly(length))
    except (asyncio.IncompleteReadError, OSError, ValueError, RecursionError):
        return None
    return frame if isinstance(frame, dict) else None
