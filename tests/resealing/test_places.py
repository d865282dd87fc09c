"""Every key is either a place whose values are encrypted, or one that holds no words."""

import dataclasses
import inspect

import pytest

from orchestrator.redis import incident_keys, keys
from orchestrator.redis.key_types import type_of
from orchestrator.resealing.places import PLACES, WITHOUT_WORDS, name_of, place_of

EXAMPLES = {
    "state": [keys.state("CA1")],
    "call": list(keys.call("CA1").all),
    "outbox": [keys.outbox("CA1")],
    "schedule": [keys.schedule("CA1")],
    "turns_beside": [keys.turns_beside(keys.call("CA1").inbox)],
    "relay_documents": [keys.relay_documents("CA1")],
    "transfer_answers": [keys.transfer_answers("CA1")],
    "write_mark_beside": [keys.write_mark_beside(keys.state("CA1"))],
    "wake_list": [keys.wake_list(), keys.wake_list(keys.SHARDS[0].queue)],
    "worker_room": [keys.worker_room()],
    "worker_presence": [keys.worker_presence("w1")],
    "worker_status": [keys.worker_status("w1")],
    "drain_order": [keys.drain_order("w1")],
    "incident": [incident_keys.incident("i1")],
    "noticed": [incident_keys.noticed("i1")],
    "last_batch": [keys.last_batch("w1")],
    "history_minute": [keys.history_minute(60)],
    "last_history_batch": [keys.last_history_batch("w1")],
    "idempotency_record": [keys.idempotency_record("order")],
    "limited_calls": [keys.limited_calls("+15550100")],
    "begun_calls": [keys.begun_calls("caller")],
    "tombstone": [keys.tombstone("0f")],
    "aside": [keys.aside(keys.call("CA1").inbox), keys.aside(keys.DUE)],
    # No keys, but channels, or parts of keys:
    "reply_channel": [], "control_channel": [], "tenant_tag": [], "shard_of": [],
}  # fmt: skip
NO_KEYS = {"STATE_PREFIX", "INBOX", "IDEMPOTENCY"}


def of_shard(shard: keys.ShardKeys) -> list[str]:
    fields = [getattr(shard, field.name) for field in dataclasses.fields(shard) if field.name != "tag"]
    names = [name for name, it in inspect.getmembers(keys.ShardKeys) if isinstance(it, property)]
    return [
        *fields, *(getattr(shard, name) for name in names), shard.version_queue("v1"), shard.version_workers("v1"),
        shard.job("turns"), shard.in_progress("turns"),
    ]  # fmt: skip


def every_key() -> set[str]:
    both = {**vars(keys), **vars(incident_keys)}
    named = {name: it for name, it in both.items() if name.isupper() and isinstance(it, str)}
    constants = {it for name, it in named.items() if name not in NO_KEYS}
    return constants.union(*EXAMPLES.values(), of_shard(keys.SINGLE_SHARD), of_shard(keys.SHARDS[3]))


def test_every_function_that_names_a_key_has_an_example_here() -> None:
    defined = [
        it
        for module in (keys, incident_keys)
        for _, it in inspect.getmembers(module, inspect.isroutine)
        if it.__module__ == module.__name__
    ]
    assert {it.__name__ for it in defined if not it.__name__.startswith("_")} == EXAMPLES.keys()


@pytest.mark.parametrize("key", sorted(every_key()))
def test_every_key_is_a_place_or_holds_no_words(key: str) -> None:
    assert (name_of(key) in PLACES) != (name_of(key) in WITHOUT_WORDS), name_of(key)


def test_no_row_of_the_tables_is_of_a_key_that_is_not_there() -> None:
    assert {*PLACES, *WITHOUT_WORDS} == {name_of(key) for key in every_key()}


@pytest.mark.parametrize("key", [keys.state("CA1"), keys.outbox("CA1"), keys.schedule("v2:T02:x/y"), keys.DEAD_LETTERS])
def test_a_place_says_how_its_values_are_stored(key: str) -> None:
    place = place_of(key)
    assert place is not None
    assert place.type == type_of(key)
