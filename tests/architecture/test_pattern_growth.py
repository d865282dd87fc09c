"""No regular expression of the program explodes: its work grows no faster than the text, whatever the text is."""

import ast
import importlib
import re
import sys
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from support.pattern_work import StepCounter, TooMuchWork, worst_cases
from support.source_trees import MODULES, REPOSITORY

pytestmark = pytest.mark.slow

TOGETHER = 2
"""How many parts of a module's path name the package whose modules are measured in one test."""
NAMED = re.compile(r"\b(?:re|regex)\b")
"""A module that does not say this has no pattern."""
FUNCTIONS = {"compile", "search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"}
NO_PATTERN = {"error", "escape", "purge", "Match", "Pattern", "RegexFlag", "PatternError"}
SMALL, LARGE = 24, 96
"""How often the worst part of a text is repeated; work that grows with the text grows by as much, or little more."""
MOST_GROWTH = 7
MOST_STEPS = 40_000


def patterns_of(path: Path, root: Path = REPOSITORY) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every regular expression of a module, with the place it stands in. Raises `AssertionError` on a hidden one."""
    text = path.read_text()
    if not NAMED.search(text):
        return
    tree = ast.parse(text, filename=str(path))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_of_re(node.func)]
    _refuse_other_ways(path, tree)
    if not calls:
        return
    module = importlib.import_module(path.relative_to(root).with_suffix("").as_posix().replace("/", "."))
    yield from ((f"{path.name}: {pattern.pattern}", pattern) for pattern in _compiled(vars(module)))
    in_functions = {id(call) for call in _calls_in_functions(tree)}
    for call in calls:
        where = f"{path.relative_to(root)}:{call.lineno}"
        if id(call) in in_functions or call.func.attr != "compile":  # type: ignore[attr-defined]
            pattern = _evaluated(call, module)
            assert pattern is not None, f"{where}: make it at the module's level, where its work can be measured"
            yield where, pattern


def _is_of_re(function: ast.expr) -> bool:
    return (
        isinstance(function, ast.Attribute)
        and isinstance(function.value, ast.Name)
        and function.value.id == "re"
        and function.attr in FUNCTIONS
    )


def _refuse_other_ways(path: Path, tree: ast.Module) -> None:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        is_from = isinstance(node, ast.ImportFrom) and node.module == "re"
        renamed = isinstance(node, ast.Import) and any(a.name == "re" and a.asname for a in node.names)
        is_hidden = is_from or renamed or "regex" in names
        assert not is_hidden, f"{path}: `import re`, so that patterns are found"
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re":
            is_known = node.attr in FUNCTIONS | NO_PATTERN or node.attr.isupper()
            assert is_known, f"{path}:{node.lineno}: re.{node.attr} is unknown here"


def _calls_in_functions(tree: ast.Module) -> Iterator[ast.AST]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def _compiled(value: Any) -> Iterator[re.Pattern[str]]:
    """The patterns among a module's globals, wherever they are kept."""
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for inner in (*value.keys(), *value.values()):
            yield from _compiled(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _compiled(inner)


def _evaluated(call: ast.Call, module: ModuleType) -> re.Pattern[str] | None:
    """The pattern of a call, if it is a constant or a name of the module."""
    if not call.args:
        return None
    flags = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
    try:
        pattern = eval(compile(ast.Expression(call.args[0]), "", "eval"), vars(module))
        given = [eval(compile(ast.Expression(flag), "", "eval"), vars(module)) for flag in flags]
        return pattern if isinstance(pattern, re.Pattern) else re.compile(pattern, *given)
    except Exception:
        return None


@cache
def growth_of(pattern: re.Pattern[str]) -> tuple[float, str]:
    """How much more work the worst text found is when it is `LARGE` and not `SMALL`, and that text's parts."""
    counter, worst = StepCounter(pattern), (0.0, "")
    for first, pump, last in worst_cases(pattern):
        try:
            small, large = (counter.steps(first + pump * n + last, MOST_STEPS) for n in (SMALL, LARGE))
        except TooMuchWork:
            return float("inf"), f"{first!r} + {pump!r} * n + {last!r}"
        worst = max(worst, (large / max(small, 1), f"{first!r} + {pump!r} * n + {last!r}"))
        if worst[0] > MOST_GROWTH:
            break
    return worst


@pytest.fixture(autouse=True)
def deep_recursion() -> Iterator[None]:
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    yield
    sys.setrecursionlimit(before)


def package_of(path: Path) -> str:
    return "/".join(path.relative_to(REPOSITORY).parent.parts[:TOGETHER])


PACKAGED = {package: list(paths) for package, paths in groupby(sorted(MODULES, key=package_of), package_of)}


@pytest.mark.parametrize("package", PACKAGED)
def test_no_pattern_works_more_than_its_text_is_long(package: str) -> None:
    growths = {where: growth_of(pattern) for path in PACKAGED[package] for where, pattern in patterns_of(path)}
    exploding = [f"{where}: {growth:.0f} times the work with {text}" for where, (growth, text) in growths.items()
                 if growth > MOST_GROWTH]  # fmt: skip
    assert not exploding, f"{LARGE // SMALL} times the text must not be more work than that\n" + "\n".join(exploding)


def test_there_are_patterns_to_measure() -> None:
    assert sum(1 for path in MODULES for _ in patterns_of(path)) > 10


@pytest.mark.parametrize(
    "exploding",
    [
        r"(a+)+$",
        r"(a|aa)*$",
        r"(\w+\s?)*:",
        r"\s+$",
        r"\w+\d+x",
        r"[ab]+[bc]+d",
        r"\bwhat\b.*\bfor\b",
        r"^(.+?)\s+(?:speaking|here)\b",
        r".*?,.*?;",
        r".+?(?:[.!?]+[\"')\]]*(?=\s|$)|\n|$)\s*",
        r"[.!?]+[\"')\]]*\s+",
        r"(\b[a-zA-Z][a-zA-Z0-9+.-]*://)[^\s/?#'\"]*@",
        r"<[^>]*>",
        r"(?:x|y)+z",
        r"\d+(?:,\d+)*#",
    ],
)
def test_the_measure_finds_what_explodes(exploding: str) -> None:
    assert growth_of(re.compile(exploding, re.DOTALL))[0] > MOST_GROWTH


@pytest.mark.parametrize(
    "linear",
    [
        r"\S+\s*|\s+",
        r"(?<=://)[^\s/]*@",
        r"(?<![.!?])[.!?]++[\"')\]]*+\s",
        r"\b(?:yes|no|perhaps)\b",
        r"^((oh|um|uh) )*(yes|no)\b",
        r"<[^<>]{0,40}>",
        r"\d{1,3}(?:st|nd|rd|th)\b",
        r"[^\t\n\r -\ud7ff]",
    ],
)
def test_the_measure_lets_pass_what_does_not(linear: str) -> None:
    assert growth_of(re.compile(linear))[0] <= MOST_GROWTH


def test_a_pattern_that_cannot_be_seen_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    hidden = tmp_path / "hidden_pattern.py"
    hidden.write_text("import re\ndef f(word, text):\n    return re.search(word + 's*', text)\n")
    with pytest.raises(AssertionError, match=r"hidden_pattern.py:3: make it at the module's level"):
        list(patterns_of(hidden, tmp_path))
    hidden.write_text("from re import search\n")
    with pytest.raises(AssertionError, match="import re"):
        list(patterns_of(hidden, tmp_path))
