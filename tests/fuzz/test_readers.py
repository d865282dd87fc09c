"""Every reader of what strangers send: it returns, or refuses as it says, whatever it gets.

`make fuzz` tries more input, and keeps what it finds in the corpus, which is tried here.
"""

import pytest
from fuzz import network_readers, redis_readers
from fuzz.corpus import inputs_of
from fuzz.mutation import Mutator
from fuzz.target import Target

TARGETS = {target.name: target for target in (*network_readers.TARGETS, *redis_readers.TARGETS)}
INPUTS = 500
SEED = 20261127


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_whatever_comes_is_read_or_refused(target: Target) -> None:
    mutator = Mutator(f"{SEED} {target.name}", [*target.examples, *inputs_of(target.name)])
    for data in [*target.examples, *inputs_of(target.name), *(mutator.next() for _ in range(INPUTS))]:
        wrong = target.try_input(data)
        assert not wrong, f"{wrong}; keep it as tests/fuzz/corpus/{target.name}/…: {data[:500]!r}"


def test_right_input_is_not_refused() -> None:
    for target in TARGETS.values():
        for data in target.examples:
            assert target.read(data) is not None or data in (b"null",), target.name
