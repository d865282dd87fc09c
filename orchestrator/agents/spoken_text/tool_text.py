"""Tool calls that a model wrote as text instead of making them."""

import ast
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

LONGEST_CALL = 8000
"""The most characters that a call has; longer text is not a call."""
LONGEST_BEGINNING = 100
USUAL_TOOLS = ("hang_up", "hangup", "end_call", "transfer", "look_up", "book")
ARGUMENTS = "[ARGS]"
"""What stands between a tool's name and its arguments, as Mistral's models write it."""
_NAMES = ("name", "tool", "tool_name", "function", "function_name", "recipient_name", "action")
_ARGUMENTS = ("parameters", "arguments", "args", "input", "action_input", "tool_input", "kwargs", "params")
Beginnings = Mapping[str, Sequence[str]]
_BESIDES = frozenset((*_NAMES, *_ARGUMENTS, "id", "type", "call_id", "tool_call_id"))


@dataclass(frozen=True)
class TextCall:
    """A call that was written as text: which tool, and its arguments by name."""

    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


def call_beginnings(tools: Iterable[str]) -> Beginnings:
    """Return how calls of `tools`, and of tools with usual names, begin in a text: first letter → beginnings."""
    return _call_beginnings(tuple(tools))


@lru_cache(maxsize=64)  # an agent has the same tools in every turn
def _call_beginnings(tools: tuple[str, ...]) -> Beginnings:
    names = [*tools, *USUAL_TOOLS]
    beginnings: dict[str, tuple[str, ...]] = {}
    for beginning in [
        *(f"{name}(" for name in names),
        *(f"functions.{name}(" for name in names),
        *(f"{name}{ARGUMENTS}" for name in names),
        "print(",
    ]:
        beginnings[beginning[0]] = (*beginnings.get(beginning[0], ()), beginning)
    return beginnings


def begins_call(beginnings: Sequence[str], text: str, at: int, *, final: bool) -> bool | None:
    """True if one of `beginnings` follows the blanks at `at`; None if that is not known yet."""
    inside = text[at : at + LONGEST_BEGINNING].lstrip()
    if inside.startswith(tuple(beginnings)):
        return True
    return None if not final and any(beginning.startswith(inside) for beginning in beginnings) else False


def calls_in(text: str, name: str = "") -> list[TextCall]:
    """Return the calls that `text` consists of: JSON, or `name(key=value)`. `name` is the tool that a tag around the
    text names.
    """
    text = text.strip().strip("`;").strip()
    if len(text) > LONGEST_CALL:
        return []
    try:
        return _of_json(json.loads(text), name)
    except (ValueError, RecursionError):
        return _of_tags(text, name) if "<" in text or name else _of_code(text)


def _of_json(value: Any, name: str) -> list[TextCall]:
    if isinstance(value, list):
        calls = [call for item in value for call in _of_json(item, "")]
        return calls if len(calls) == len(value) else []
    if not isinstance(value, dict):
        return []
    if name:
        return [TextCall(name, value)]
    if isinstance(value.get("tool_calls"), list):
        return _of_json(value["tool_calls"], "")
    return _of_object(value)


def _of_object(value: dict[str, Any]) -> list[TextCall]:
    inner = value.get("function")
    if isinstance(inner, dict):
        return _of_object(inner)
    named = next((value[key] for key in _NAMES if isinstance(value.get(key), str)), "").removeprefix("functions.")
    if not named.isidentifier() or not set(value) <= _BESIDES:
        return []
    return [TextCall(named, _arguments(next((value[key] for key in _ARGUMENTS if key in value), {})))]


def _arguments(given: Any) -> dict[str, Any]:
    if isinstance(given, str):  # OpenAI's protocol has JSON in a string here
        try:
            given = json.loads(given)
        except (ValueError, RecursionError):
            return {}
    return given if isinstance(given, dict) else {}


def _of_code(text: str) -> list[TextCall]:
    """Return the calls in `hang_up(reason="done")`, alone or in `print(…)`."""
    try:
        node = ast.parse(text, mode="eval").body
        while isinstance(node, ast.Call) and _called(node) == "print" and len(node.args) == 1:
            node = node.args[0]
        if isinstance(node, ast.List):
            calls = [call for item in node.elts for call in _of_code(ast.unparse(item))]
            return calls if len(calls) == len(node.elts) else []
        if not isinstance(node, ast.Call) or not (name := _called(node)) or len(node.args) > 1:
            return []
        given = [ast.literal_eval(argument) for argument in node.args]
        if given and not isinstance(given[0], dict):
            return []
        named = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
        return [TextCall(name, {**(given[0] if given else {}), **named})]
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return []


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Attribute):
        return call.func.attr
    return call.func.id if isinstance(call.func, ast.Name) else ""


def calls_of_tokens(text: str) -> list[TextCall]:
    """Return the calls between special tokens, each a tool's name and JSON."""
    calls = []
    for piece in text[:LONGEST_CALL].replace("▁", "_").split("tool_call_begin")[1:]:
        head, _, rest = piece.partition("{")
        named = head.replace("```json", " ").replace("<", " <").replace(">", "> ").split()
        names = [word.removeprefix("functions.").partition(":")[0] for word in named if "<" not in word]
        name = next((word for word in reversed(names) if word.isidentifier()), "")
        if name:
            calls.append(TextCall(name, _arguments("{" + rest[: rest.rfind("}") + 1])))
    return calls


def _of_tags(text: str, name: str) -> list[TextCall]:
    """Return the call in `<function=hang_up><parameter=reason>…</parameter></function>`, or with `name="…"`."""
    arguments: dict[str, Any] = {}
    name, key = name or text.partition("<")[0].strip(), ""
    for piece in text.split("<")[:200]:
        head, _, body = piece.partition(">")
        word, _, value = head.replace(" name=", "=").partition("=")
        value = value.strip().strip("\"'")
        if word in ("function", "invoke", "tool") and value:
            name = value
        elif word in ("parameter", "param", "arg") and value:
            arguments[value] = body.strip()
        elif word == "arg_key":
            key = body.strip()
        elif word == "arg_value" and key:
            arguments[key] = body.strip()
        elif word == "name" and body.strip():
            name = body.strip()
    return [TextCall(name, arguments)] if name.isidentifier() else []
