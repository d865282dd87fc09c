"""Which actions the product logs, and at which levels, as its source has it."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import get_args

from support.source_trees import text_of, tree_of

from orchestrator.conversation.reply import Outcome

PLAIN = {"debug", "info", "warning", "error", "critical"}
METHODS = {**{name: name for name in PLAIN}, "exception": "error"}
ACTION = re.compile(r"[a-z_]+\.[a-z_]+")
LOGS = re.compile(rf"\.({'|'.join([*METHODS, 'log', '_log'])})\(")
"""What a module says that logs."""
Function = ast.FunctionDef | ast.AsyncFunctionDef


def logged_actions(files: Iterable[Path]) -> dict[str, set[str]]:
    """Return action → levels."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in files:
        if not LOGS.search(text_of(path)):
            continue
        tree = tree_of(path)
        defaults = _defaults(tree)
        for function in [tree, *(node for node in ast.walk(tree) if isinstance(node, Function))]:
            for level, action in _in_function(function, defaults):
                found[action].add(level)
    return dict(found)


def _in_function(function: ast.AST, defaults: dict[str, str]) -> Iterator[tuple[str, str]]:
    names = _assigned(function)
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method, keywords = node.func.attr, {word.arg: word.value for word in node.keywords}
        level = METHODS.get(method) or (_level(node.args[0]) if method in ("log", "_log") and node.args else None)
        if level is None:
            continue
        if method == "_log":  # a logger of one's own: `action` is a keyword, or the default
            told = keywords.get("action", ast.Constant(defaults.get("_log", "")))
        else:
            told = keywords.get("extra", ast.Constant(""))
        for action in _actions(told, names):
            yield level, action


def _level(node: ast.expr) -> str | None:
    name = node.attr.lower() if isinstance(node, ast.Attribute) else ""
    return name if name in PLAIN else None


def _defaults(tree: ast.Module) -> dict[str, str]:
    """The default `action` of the module's loggers of its own."""
    found = {}
    for function in (node for node in ast.walk(tree) if isinstance(node, Function)):
        for argument, default in zip(function.args.kwonlyargs, function.args.kw_defaults, strict=True):
            if argument.arg == "action" and isinstance(default, ast.Constant):
                found[function.name] = str(default.value)
    return found


def _assigned(function: ast.AST) -> dict[str, list[ast.expr]]:
    names: dict[str, list[ast.expr]] = defaultdict(list)
    for node in ast.walk(function):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id].append(node.value)
    return names


def _actions(told: ast.expr, names: dict[str, list[ast.expr]], depth: int = 3) -> Iterator[str]:
    """The actions that an `extra`, or the value of its `action`, may hold."""
    match told:
        case ast.Constant(value=str(text)) if ACTION.fullmatch(text):
            yield text
        case ast.IfExp(body=body, orelse=orelse):
            yield from _actions(body, names)
            yield from _actions(orelse, names)
        case ast.JoinedStr(values=[ast.Constant(value="turn."), *_]):
            yield from (f"turn.{outcome}" for outcome in get_args(Outcome))
        case ast.Call(args=[first, *_]):  # a function that makes an `extra` of an action
            yield from _actions(first, names)
        case ast.Name(id=name) if depth:
            for value in names.get(name, []):
                yield from _actions(value, names, depth - 1)
        case ast.BinOp(left=left):  # {…} | {…}
            yield from _actions(left, names, depth)
        case ast.Dict(keys=keys, values=values):
            own = [v for k, v in zip(keys, values, strict=True) if isinstance(k, ast.Constant) and k.value == "action"]
            spread = [v for k, v in zip(keys, values, strict=True) if k is None]
            for value in own or spread:
                yield from _actions(value, names, depth)
