"""The page about the tests names the harness that there is."""

import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = (TESTS / "README.md").read_text()


def test_every_harness_module_is_named_and_every_one_named_exists() -> None:
    named = {f"{name}.py" for name in re.findall(r"`support/(\w+)\.py`", PAGE)}
    assert named == {path.name for path in (TESTS / "support").glob("*.py")}


def test_the_fixtures_and_targets_named_exist() -> None:
    fixtures = "".join(
        path.read_text() for path in [*TESTS.rglob("conftest.py"), TESTS / "support/cluster_fixtures.py"]
    )
    for name in ("cluster", "cluster_client", "deploy", "gate", "ingress", "redis_client", "replicated_cluster"):
        assert f"`{name}`" in PAGE
        assert f"def {name}(" in fixtures
    makefile = (TESTS.parent / "Makefile").read_text()
    for target in re.findall(r"make (?:ARGS=\"[^\"]*\" )?([a-z-]+)", PAGE):
        assert f"\n{target}:" in makefile, target
