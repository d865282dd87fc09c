"""What a run of a Lua script is: which one, its keys and arguments, and how its reply is decoded.

Each script has one function that makes its calls, named like the script, in a module `scripts.py`. That function alone
knows the order of KEYS and ARGV, how a flag is encoded and what a reply means. Whoever has a connection runs the call:
`ScriptRunner`, `Replicas.run`, or a pipeline.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Generic, TypeVar

_INCLUDE = re.compile(r"^-- include(?: if (.+))?: (\w+)$", re.MULTILINE)
_FUNCTION = re.compile(r"^local function (\w+)", re.MULTILINE)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class LuaScript:
    """The text of a script with what it includes, and the hash by which Redis knows it."""

    text: str
    sha: str

    @classmethod
    def of(cls, text: str) -> "LuaScript":
        """Return the script with this text."""
        return cls(text, hashlib.sha1(text.encode()).hexdigest())


@cache
def lua_script(name: str) -> LuaScript:
    """Return the script `name`. A line `-- include: x` in it stands for the whole text of `include/x.lua`.

    With `-- include if CONDITION: x` the functions of `x` are there in runs in which that is true: each run of a script
    makes all of its functions anew.
    """
    return LuaScript.of(_INCLUDE.sub(lambda match: _included(*match.groups()), _text(name)))


def _included(condition: str | None, name: str) -> str:
    text = _text(f"include/{name}")
    if condition is None:
        return text
    functions, text = ", ".join(_FUNCTION.findall(text)), _FUNCTION.sub(r"\1 = function", text)
    return f"local {functions}\nif {condition} then\n{text}end\n"


def _text(name: str) -> str:
    return (files("orchestrator.redis") / "lua" / f"{name}.lua").read_text("utf-8")


@dataclass(slots=True)
class ScriptCall(Generic[T]):
    """One run of a script. `decode` turns the reply of Redis into what the caller gets."""

    script: LuaScript
    keys: Sequence[str]
    args: Sequence[Any]
    decode: Callable[[Any], T]

    def by_hash(self) -> tuple[Any, ...]:
        """Return the command that runs a script which the server knows; else it answers NOSCRIPT."""
        return ("EVALSHA", self.script.sha, len(self.keys), *self.keys, *self.args)

    def by_text(self) -> tuple[Any, ...]:
        """Return the command that sends the script's text along; from then on the server knows the script."""
        return ("EVAL", self.script.text, len(self.keys), *self.keys, *self.args)


def flag(value: bool) -> str:
    """Return `value` as scripts take it: "1", or "" for False."""
    return "1" if value else ""


def optional(value: int | None) -> int | str:
    """Return `value` as scripts take it: "" for None."""
    return "" if value is None else value


def text(value: bytes | str) -> str:
    """Return a reply's string: a client may decode replies or not.

    Bytes that are not UTF-8 are shown as `\\xff`: others can write to Redis, and no name of ours has any.
    """
    return value.decode(errors="backslashreplace") if isinstance(value, bytes) else value


def ignored(reply: Any) -> None:
    """Decode the reply of a script that says nothing."""
