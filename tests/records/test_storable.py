"""What PostgreSQL's jsonb refuses is kept as its escape, and nothing else is changed."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import ValueRefused
from orchestrator.records.storable import as_json, storable

texts = st.text(st.characters() | st.sampled_from(["\x00", "\\", "u", "0", '"', "\ud800", "\udfff", "🎉"]))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def plain(value: Any) -> Any:
    """What must come out: computed letter by letter."""
    if isinstance(value, str):
        return "".join(
            f"\\u{ord(letter):04x}" if letter == "\x00" or "\ud800" <= letter <= "\udfff" else letter
            for letter in value
        )
    if isinstance(value, dict):
        return {plain(name): plain(each) for name, each in value.items()}
    if isinstance(value, list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


@given(values)
def test_only_what_cannot_be_kept_is_changed(value: Any) -> None:
    kept = storable(value)
    assert kept == plain(value)
    assert "\x00" not in str(kept)
    assert json.loads(as_json(kept).encode()) == kept


@pytest.mark.parametrize(
    "value", [object(), 10**5000, "x" * (17 << 20), {1: {2: object()}}], ids=["object", "number", "size", "inner"]
)
def test_what_is_no_json_or_too_large_is_refused(value: Any) -> None:
    with pytest.raises(ValueRefused):
        storable(value)


def test_what_is_nested_too_deep_is_refused() -> None:
    value: Any = []
    for _ in range(100_000):
        value = [value]
    with pytest.raises(ValueRefused):
        storable(value)
