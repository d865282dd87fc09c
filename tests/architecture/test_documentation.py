"""What is written about the program is true of it."""

import re
from functools import cache
from itertools import chain
from pathlib import Path

import pytest
from pydantic import AliasChoices
from support.logged_actions import logged_actions

from orchestrator.settings import Settings, load_settings
from orchestrator.settings.otel import OtelSettings, load_otel_settings

REPOSITORY = Path(__file__).parents[2]
LONGEST_README = 150
VARIABLE = re.compile(r"^#([A-Z][A-Z_]+)=", re.MULTILINE)
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(?:#([\w-]+))?\)")


def source() -> list[Path]:
    return [path for package in ("orchestrator", "web", "workers") for path in (REPOSITORY / package).rglob("*.py")]


@cache
def logged_by_the_product() -> dict[str, set[str]]:
    """Action → levels."""
    return logged_actions(source())


def variables() -> set[str]:
    """Every environment variable that the product reads."""

    fields = {**Settings.model_fields, **OtelSettings.model_fields}

    def names(field: str) -> list[str]:
        alias = fields[field].validation_alias
        if isinstance(alias, AliasChoices):
            return [str(choice) for choice in alias.choices]
        return [alias if isinstance(alias, str) else field]

    return {name.upper() for name in chain.from_iterable(names(field) for field in fields)}


def pages(texts: dict[str, str]) -> dict[str, str]:
    return {name: text for name, text in texts.items() if name.endswith(".md")}


def anchors(page: str) -> set[str]:
    """The names by which headings of a page are linked to."""
    titles = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.fixture
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in variables():
        monkeypatch.delenv(name, raising=False)


def test_the_example_environment_names_every_variable_and_no_other(texts: dict[str, str]) -> None:
    assert set(VARIABLE.findall(texts[".env.example"])) == variables()


@pytest.mark.usefixtures("clean_environment")
def test_a_copy_of_the_example_environment_sets_nothing(repository: Path) -> None:
    assert load_settings(_env_file=repository / ".env.example").model_fields_set == set()


@pytest.mark.usefixtures("clean_environment")
def test_the_example_environment_shows_the_defaults(texts: dict[str, str], tmp_path: Path) -> None:
    uncommented = tmp_path / "env"
    uncommented.write_text(VARIABLE.sub(r"\1=", texts[".env.example"]))
    assert load_settings(_env_file=uncommented) == load_settings(_env_file=None)
    assert load_otel_settings(_env_file=uncommented) == load_otel_settings(_env_file=None)


def test_the_readme_fits_on_three_screens(texts: dict[str, str]) -> None:
    assert len(texts["README.md"].splitlines()) <= LONGEST_README


def test_pages_name_only_variables_that_exist(texts: dict[str, str]) -> None:
    of_make = {"PYTHON", "ARGS", "VENV", "SEED", "DURATION", "CALLS", "TOPOLOGY"}
    of_frameworks = {"MODEL", "OPENAI_API_KEY", "OPENAI_AGENTS_DISABLE_TRACING"}
    elsewhere = {
        "DATABASE_URL",
        "EXTRA",
        "SITE_ADDRESS",
        "REDIS_SERVER",
        "PYTHONPATH",
        "PYTHON_VERSION",
        *of_make,
        *of_frameworks,
    }
    named = {
        (page, name)
        for page, text in pages(texts).items()
        for name in re.findall(r"(?<![\w<])`?([A-Z]{3,}(?:_[A-Z]+)*)=", text)
    }
    assert sorted((page, name) for page, name in named if name not in variables() | elsewhere) == []


def test_links_between_pages_lead_somewhere(texts: dict[str, str], repository: Path) -> None:
    broken = []
    for page, text in pages(texts).items():
        for target, anchor in LINK.findall(text):
            path = (repository / page).parent / target
            if not path.exists() or (anchor and anchor not in anchors(path.read_text())):
                broken.append(f"{page}: {target}#{anchor}")
    assert broken == []


def test_the_log_actions_and_levels_described_are_those_there_are(texts: dict[str, str]) -> None:
    """A row has actions and as many levels, or one for all of them; `a or b` is an action with two."""
    row = re.compile(r"^\| (?!`voiceagent_)((?:`[a-z_.]+`(?:, )?)+) \| ([a-z, ]+) \|", re.MULTILINE)  # no metric's
    rows = row.findall(texts["docs/operations.md"])
    described: dict[str, set[str]] = {}
    for actions, levels in rows:
        names, each = re.findall(r"`([a-z_.]+)`", actions), levels.split(", ")
        for name, level in zip(names, each * len(names) if len(each) == 1 else each, strict=True):
            assert name not in described, f"{name} has two rows"
            described[name] = set(level.split(" or "))
    logged = logged_by_the_product()
    assert len(logged) > 70
    assert {name: (described.get(name), logged.get(name)) for name in described.keys() | logged.keys()
            if described.get(name) != logged.get(name)} == {}  # fmt: skip


def test_no_action_is_logged_in_a_way_that_its_level_cannot_be_read(texts: dict[str, str]) -> None:
    written = {
        action
        for path in source()
        for action in re.findall(r'action"?\s*[:=]\s*"([a-z_]+\.[a-z_]+)"', path.read_text())
    }
    assert written - logged_by_the_product().keys() == set()


def test_nothing_names_a_directory_of_the_machine_it_was_written_on(texts: dict[str, str]) -> None:
    home = re.compile(r"(?<![\w.}])/(?:root|work|home|Users)/")
    assert [name for name, text in texts.items() if home.search(text)] == []


def test_the_locked_requirements_name_no_index(texts: dict[str, str]) -> None:
    locked = [name for name in texts if name.startswith("requirements")]
    assert {"requirements.txt", "requirements-dev.txt"} <= set(locked)
    for name in locked:
        assert "://" not in texts[name], f"{name}: the address of a registry belongs to whoever installs"
        assert not re.search(r"^-", texts[name], re.MULTILINE), f"{name}: an option for pip"
