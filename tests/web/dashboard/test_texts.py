"""The words of the page: all are in the files of texts, in each language the same ones."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import web.dashboard

PAGE = Path(web.dashboard.__file__).parent / "page"
MODULES = sorted(path for path in PAGE.rglob("*.js") if "vendor" not in path.parts)
ENGLISH = json.loads((PAGE / "texts" / "en.json").read_text())
OTHERS = sorted(path.stem for path in (PAGE / "texts").glob("*.json") if path.stem != "en")
FORMS = {"one", "other"}
STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`|\'((?:[^\'\\\n]|\\.)*)\'')
COMMENT = re.compile(r"^\s*//.*$|(?<=[;{}(),]) // .*$", re.MULTILINE)
WORDS = re.compile(r"[A-Za-zÄÖÜäöüß]{2,}[.,:;!?]? +[A-Za-zÄÖÜäöüß]{2,}|^[A-Z][a-z]+[.!?…]?$")
NAMES = {"Arrow", "Content-Type", "Content", "Enter", "Escape", "Home", "End", "Page", "Tab"}
"""What looks like a word and is a name: keys of the keyboard, headers."""


def leaves(texts: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The name and the text of each; forms of a plural are one text."""
    for name, text in texts.items():
        if isinstance(text, dict) and set(text) != FORMS:
            yield from leaves(text, f"{before}{name}.")
        else:
            yield before + name, text


def places(text: str | dict[str, str]) -> list[set[str]]:
    """What is filled in, in each form."""
    forms = text.values() if isinstance(text, dict) else [text]
    return [set(re.findall(r"\{(\w+)\}", form)) for form in forms]


def strings(path: Path) -> list[str]:
    """The strings of a module, without what is put into them."""
    found = STRING.findall(COMMENT.sub("", path.read_text()))
    return [re.sub(r"\$\{[^}]*\}", "", "".join(groups)) for groups in found]


@pytest.mark.parametrize("language", OTHERS)
def test_each_language_has_the_same_texts_with_the_same_places(language):
    other = dict(leaves(json.loads((PAGE / "texts" / f"{language}.json").read_text())))
    english = dict(leaves(ENGLISH))
    assert sorted(other) == sorted(english)
    for name, text in english.items():
        assert places(other[name]) == places(text), name


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_a_module_has_no_words_of_its_own(path):
    assert [text for text in strings(path) if WORDS.search(text) and text not in NAMES] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PAGE).as_posix())
def test_each_text_that_a_module_names_is_there(path):
    known = {name for name, _ in leaves(ENGLISH)}
    asked = re.findall(r'\bt\("([\w.-]+)"', path.read_text())
    assert [name for name in asked if name not in known] == []


def test_no_text_is_left_over():
    sources = "\n".join(path.read_text() for path in MODULES)
    stems = set(re.findall(r"[\"`]([a-z_]+)\.", sources)) | set(re.findall(r'word\("([a-z_]+)"', sources))
    unused = [name for name, _ in leaves(ENGLISH) if name.split(".")[0] not in stems]
    assert unused == []


@pytest.mark.parametrize("language", ["en", *OTHERS])
def test_no_text_is_markup(language):
    texts = dict(leaves(json.loads((PAGE / "texts" / f"{language}.json").read_text())))
    assert [name for name, text in texts.items() if "<" in str(text) or "&" in str(text)] == []
