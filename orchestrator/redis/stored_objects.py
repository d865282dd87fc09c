"""Reads JSON objects in Redis that anybody may have written."""

import json
from typing import Any


def stored_object(text: bytes | str) -> dict[str, Any]:
    """Return the object; {} if `text` is none that can be passed on as JSON."""
    try:
        found = json.loads(text)
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
