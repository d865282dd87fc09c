"""Pages that say where something is are right about it."""

import inspect
import re
from dataclasses import astuple as fields
from pathlib import Path

import pytest

import orchestrator
from orchestrator.conversation.actions import ACTION_TYPES
from orchestrator.redis import keys
from orchestrator.settings.public_url import PROVIDERS
from orchestrator.turns.redis.store import RedisTurnStore
from web.providers.routes import DIALECTS
from workers.rescue import RENEWAL_GRACE_MS

PAGES = ("README.md", "CONTRIBUTING.md", "docs/design.md", "docs/reliability.md", "tests/README.md")
PATH = re.compile(r"`((?:orchestrator|web|workers|tests|docs|benchmarks|tools|deploy)/[\w./-]*)`")
PLACED = re.compile(r"`((?:orchestrator|web|workers)/[\w/]+\.py)`((?:,? `[A-Za-z_]\w*(?:\.\w+)*`)+)")


@pytest.mark.parametrize("page", PAGES)
def test_every_path_named_is_there(page: str, texts: dict[str, str], repository: Path) -> None:
    named = PATH.findall(texts[page])
    assert [path for path in named if not (repository / path).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_name_placed_in_a_module_is_in_it(page: str, texts: dict[str, str]) -> None:
    """A module followed by names: `orchestrator/retrying.py` `LONGEST_PAUSE_SECONDS`."""
    wrong = [
        f"{path}: {name}"
        for path, names in PLACED.findall(texts[page])
        for name in re.findall(r"[A-Za-z_][\w.]*", names)
        if not all(re.search(rf"\b{part}\b", texts.get(path, "")) for part in name.split("."))
    ]
    assert wrong == []


def test_every_key_is_in_the_table_of_the_design(texts: dict[str, str]) -> None:
    section = texts["docs/design.md"].split("\n## Redis\n", 1)[1].split("\n## ", 1)[0]
    constants = {value for name, value in vars(keys).items() if name.isupper() and isinstance(value, str)}
    made = {keys.worker_status(""), keys.idempotency_record("")[:19], keys.tombstone(""), keys.relay_documents("CA1")}
    named = {key for key in constants if key.startswith("voiceagent:") and not key.endswith(":")}
    everything = {keys.QUEUE, keys.state("CA1"), *fields(keys.call("CA1")), *fields(keys.SINGLE_SHARD), *made, *named}
    assert len(everything) > 15
    assert sorted(key for key in everything if f"`{key}" not in section) == []


def test_an_action_can_be_imported_from_where_the_guide_says() -> None:
    assert {action.__name__ for action in ACTION_TYPES} <= set(orchestrator.__all__)


def test_no_base_path_may_look_like_a_providers() -> None:
    assert {"twilio", *(dialect.name for dialect in DIALECTS)} == set(PROVIDERS)


def test_after_an_outage_leases_are_renewed_before_others_are_granted() -> None:
    default = inspect.signature(RedisTurnStore).parameters["lease_seconds"].default
    assert default * 1000 / 4 * 2 <= RENEWAL_GRACE_MS, "twice as long as between two renewals"
