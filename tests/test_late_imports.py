"""`import_when_used`: a module is run when something of it is first asked for."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.late_imports import LateModule, import_when_used

NAME = "voiceagent_late_example"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A package that leaves a file when it is run."""
    ran = tmp_path / "ran"
    package = tmp_path / NAME
    package.mkdir()
    (package / "__init__.py").write_text(f"from pathlib import Path\nPath({str(ran)!r}).touch()\nanswer = 42\n")
    (package / "inner.py").write_text("inside = 43\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield ran
    for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
        del sys.modules[name]


def test_importing_a_module_does_not_run_it_before_it_is_used(example: Path) -> None:
    import_when_used(NAME)
    module = importlib.import_module(NAME)
    assert not example.exists()
    assert module.answer == 42
    assert example.exists()


def test_a_name_can_be_imported_from_it(example: Path) -> None:
    import_when_used(NAME)
    names: dict[str, int] = {}
    exec(f"from {NAME} import answer\nfrom {NAME}.inner import inside", names)
    assert (names["answer"], names["inside"]) == (42, 43)


def test_whoever_imports_it_afterwards_gets_the_module_itself(example: Path) -> None:
    import_when_used(NAME)
    before = importlib.import_module(NAME)
    assert before.answer == 42
    after: Any = importlib.import_module(NAME)
    assert not isinstance(after, LateModule)
    after.answer = 44
    assert before.answer == 44


def test_a_part_that_was_imported_before_is_still_a_part_of_it(example: Path) -> None:
    import_when_used(NAME)
    importlib.import_module(f"{NAME}.inner")
    assert not example.exists()
    assert importlib.import_module(NAME).answer == 42
    assert importlib.import_module(NAME).inner.inside == 43


def test_a_name_that_it_does_not_have_is_an_attribute_error(example: Path) -> None:
    import_when_used(NAME)
    with pytest.raises(AttributeError, match="nothing"):
        _ = importlib.import_module(NAME).nothing


def test_a_module_that_is_imported_or_not_installed_is_left_alone(example: Path) -> None:
    module = importlib.import_module(NAME)
    import_when_used(NAME)
    import_when_used("voiceagent_not_installed")
    assert sys.modules[NAME] is module
    assert "voiceagent_not_installed" not in sys.modules
