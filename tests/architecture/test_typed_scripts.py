"""Each Lua script has one typed function; no other code knows the order of its KEYS and ARGV."""

import ast
import inspect
from collections.abc import Iterable
from functools import cache

from support.source_trees import MODULES, REPOSITORY, nodes_of, tree_of

SCRIPTS = {path.stem for path in (REPOSITORY / "orchestrator/redis/lua").glob("*.lua")}
RUNS_SCRIPTS = (
    "orchestrator/redis/script_call.py",  # builds EVAL and EVALSHA
    "orchestrator/redis/slots.py",  # finds their first key
)


@cache
def modules() -> list[tuple[str, ast.Module]]:
    return [(path.relative_to(REPOSITORY).as_posix(), tree_of(path)) for path in MODULES]


@cache
def nodes() -> list[tuple[str, tuple[ast.AST, ...]]]:
    return [(path.relative_to(REPOSITORY).as_posix(), nodes_of(path)) for path in MODULES]


def is_script_module(module: str) -> bool:
    return module.endswith(("/scripts.py", "_scripts.py"))


def calls_of(nodes: Iterable[ast.AST], *names: str) -> list[ast.Call]:
    return [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute)
        and (node.func.id if isinstance(node.func, ast.Name) else node.func.attr) in names
    ]  # fmt: skip


def test_each_script_has_one_function_that_is_named_like_it() -> None:
    found: list[str] = []
    for module, tree in modules():
        if not is_script_module(module):
            continue
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            for call in calls_of(ast.walk(function), "lua_script"):
                assert isinstance(call.args[0], ast.Constant)
                assert call.args[0].value == function.name, f"{module}: {function.name} runs another script"
                found.append(function.name)
    assert sorted(found) == sorted(SCRIPTS), "a script without a function, or with two"


def test_the_functions_of_scripts_take_keywords_only_and_say_what_they_return() -> None:
    for module, tree in modules():
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            if is_script_module(module) and calls_of(ast.walk(function), "lua_script"):
                where = f"{module}: {function.name}"
                assert not function.args.args, f"{where} takes a positional argument"
                assert function.args.kwonlyargs, f"{where} takes no argument"
                assert ast.unparse(function.returns or ast.Constant(None)).startswith("ScriptCall["), where
                assert inspect.cleandoc(ast.get_docstring(function) or ""), f"{where} has no docstring"


def test_no_other_module_names_a_script_or_lists_its_arguments() -> None:
    names = ("lua_script", "ScriptCall", "register_script", "eval", "evalsha")
    broken = [
        f"{module}:{node.lineno}"
        for module, inside in nodes()
        if not is_script_module(module) and module not in RUNS_SCRIPTS
        for node in calls_of(inside, *names)
    ]
    broken += [
        f"{module}:{node.lineno}"
        for module, inside in nodes()
        if module not in RUNS_SCRIPTS
        for node in inside
        if isinstance(node, ast.Constant) and node.value in ("EVAL", "EVALSHA")
    ]
    assert not broken, "who runs a script takes its call from a scripts module\n" + "\n".join(broken)
