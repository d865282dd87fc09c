"""`voiceagent doctor` on encryption keys: who cannot read what others write."""

from typing import Any

import pytest

from orchestrator.doctor.encryption import judge_encryption
from orchestrator.encryption.keys import KeyList, key_list, new_key

KEY, OTHER = new_key(), new_key()
FIRST, SECOND = key_list(KEY).all[0].id.hex(), key_list(OTHER).all[0].id.hex()


def worker(*keys: str, **more: Any) -> dict[str, Any]:
    return {"id": "w1", "keys": list(keys), **more}


def judged(text: str, *workers: dict[str, Any]) -> list[tuple[str, str]]:
    found = judge_encryption(key_list(text) if text else KeyList(None, (), reads_plain=True), workers)
    return [(finding.level, finding.message) for finding in found]


def test_without_any_key_nothing_is_said() -> None:
    assert judged("", {"id": "w1"}) == []


@pytest.mark.parametrize(
    ("text", "has", "level", "words"),
    [
        (KEY, [FIRST], "ok", "All 1 workers can read"),
        (f"{KEY},plain", [FIRST, "plain"], "warning", "not encrypted is read"),
        (f"plain,{KEY}", ["plain", FIRST], "note", "nothing is encrypted yet"),
        (KEY, [], "problem", "cannot read what is written"),
        (f"{OTHER},{KEY}", [FIRST], "problem", "worker w1 cannot read what is written"),
        (KEY, [SECOND, FIRST], "problem", "What worker w1 writes cannot be read"),
        ("", [FIRST, "plain"], "problem", "What worker w1 writes cannot be read"),
    ],
    ids=["one", "plain-is-read", "plain-is-written", "none-there", "another-encrypts", "another-there", "none-here"],
)
def test_the_order_of_a_rotation_is_watched(text: str, has: list[str], level: str, words: str) -> None:
    (found,) = [it for it in judged(text, worker(*has)) if words in it[1]]
    assert found[0] == level


def test_a_key_that_workers_miss_is_a_problem() -> None:
    ((level, message),) = judged(KEY, worker(FIRST, missing_keys=[SECOND]))
    assert level == "problem"
    assert SECOND in message
