"""Loads the Lua scripts. A line `-- include: name` stands for the whole text of `include/name.lua`."""

import re
from functools import cache
from importlib.resources import files

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


@cache
def lua(name: str) -> str:
    """Return the text of the script `name`, with what it includes."""
    text = (files("orchestrator.redis") / "lua" / f"{name}.lua").read_text("utf-8")
    return _INCLUDE.sub(lambda match: lua(f"include/{match[1]}"), text)
