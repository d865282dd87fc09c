"""In which line of a TOML file a table or a key is: the parser does not tell."""

import re

_HEADER = re.compile(r"[ \t]*(\[{1,2})([^\[\]#\n]{1,300})\]{1,2}[ \t]*(?:#.*)?")
_KEY = re.compile(r"[ \t]*([A-Za-z0-9_\"'.-]{1,300})[ \t]*=")


class TomlLines:
    """The lines, from 1, of the tables and keys of `text`.

    It is read line by line: a line of a string of several lines that looks like a key may be taken for one.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, index = "", 0
        for number, line in enumerate(text.splitlines(), 1):
            if header := _HEADER.fullmatch(line):
                table, index = _plain(header[2]), 0
                if header[1] == "[[":
                    index = counts[table] = counts.get(table, -1) + 1
                self._lines.setdefault((table, index, ""), number)
            elif key := _KEY.match(line):
                self._lines.setdefault((table, index, _plain(key[1])), number)

    def of(self, table: str, key: str = "", index: int = 0) -> int:
        """Return the line of a key, else that of its table (the `index`-th of its name), else 1."""
        outer, _, name = table.rpartition(".")
        inner = f"{table}.{key}" if table else key
        for wanted in ((table, index, key), (inner, 0, ""), (table, index, ""), (outer, 0, name)):
            if wanted in self._lines:
                return self._lines[wanted]
        return 1


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.strip().split("."))
