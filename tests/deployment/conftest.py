"""The files that describe deployments, parsed."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile: its word, and the rest of it on one line."""

    word: str
    rest: str


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the work tree."""
    return REPOSITORY


@pytest.fixture(scope="session")
def blueprint() -> dict[str, Any]:
    """`render.yaml`."""
    return YAML(typ="safe").load(REPOSITORY / "render.yaml")


@pytest.fixture(scope="session")
def compose() -> dict[str, Any]:
    """`compose.yaml`, with its anchors and merges resolved."""
    return YAML(typ="safe").load(REPOSITORY / "compose.yaml")


@pytest.fixture(scope="session")
def procfile() -> dict[str, str]:
    """`Procfile`: process type → command, without the `exec` that lets signals reach the program itself."""
    lines = (REPOSITORY / "Procfile").read_text().splitlines()
    return {name: rest.removeprefix(" exec ") for name, _, rest in (line.partition(":") for line in lines)}


@pytest.fixture(scope="session")
def stages() -> list[list[Instruction]]:
    """The stages of `Dockerfile`, each beginning with its FROM; what comes before the first is left out."""
    text = (REPOSITORY / "Dockerfile").read_text()
    lines = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    found: list[list[Instruction]] = []
    for word, _, rest in (line.strip().partition(" ") for line in lines if line.strip()):
        if word == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(word, rest.strip()))
    return found
