"""JSON that PostgreSQL can hold as jsonb.

jsonb refuses U+0000 and halves of surrogate pairs (PostgreSQL's manual, section 8.14), and JSON knows no NaN. A caller,
a provider or an agent may produce each of them. They are kept as their escapes: the six characters `\\u0000`.
"""

import json
import math
import re
from typing import Any

from pydantic_core import to_jsonable_python

from orchestrator.errors import ValueRefused

MOST_BYTES = 16 << 20
"""Of one value: a call holds 1 MB at most."""
_ESCAPE = re.compile(r"\\(\\|u0000)")
"""An escaped backslash, so that what follows it is not taken for an escape; or U+0000."""
_HALF_PAIR = re.compile("[\ud800-\udfff]")


def storable(value: Any) -> Any:
    """Return `value` as plain JSON data that jsonb holds. Raise `ValueRefused` if it never will."""
    try:
        text = json.dumps(_finite(value), ensure_ascii=False, default=to_jsonable_python)
        text = _HALF_PAIR.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text)
        text = _ESCAPE.sub(lambda found: "\\\\u0000" if found[1] == "u0000" else found[0], text)
        if len(text.encode()) > MOST_BYTES:
            raise ValueRefused(f"It has more than {MOST_BYTES >> 20} MB.")
        return json.loads(text)
    except (RecursionError, ValueError, TypeError) as error:
        raise ValueRefused(f"It cannot be written as JSON ({type(error).__name__}).") from None


def as_json(value: Any) -> str:
    """Return storable data as JSON text."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    """Return `value` with None in place of NaN and infinities, as JSON has none."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
