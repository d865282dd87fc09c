"""In which line of a TOML file a table or a key is: the parser does not tell."""

import string

_OF_KEYS = frozenset(string.ascii_letters + string.digits + "_-.\"' ")


class TomlLines:
    """The lines, from 1, of the tables and keys of `text`.

    It is read line by line: a line of a string of several lines that looks like a key may be taken for one.
    """

    def __init__(self, text: str) -> None:
        self._lines: dict[tuple[str, int, str], int] = {}
        counts: dict[str, int] = {}
        table, index = "", 0
        for number, line in enumerate(text.split("\n"), 1):  # not splitlines: TOML ends no line at U+2028
            line = line.strip()
            if line.startswith("["):
                table = _plain(line.lstrip("[").partition("]")[0])
                if line.startswith("[["):
                    counts[table] = counts.get(table, -1) + 1
                index = counts.get(table, counts.get(table.partition(".")[0], 0))  # [routes.split] is of its [[routes]]
                self._lines.setdefault((table, index, ""), number)
                continue
            key, equals, _ = line.partition("=")
            if equals and _OF_KEYS.issuperset(key):
                self._lines.setdefault((table, index, _plain(key)), number)

    def of(self, table: str, key: str = "", index: int = 0) -> int:
        """Return the line of a key, else that of its table (the `index`-th of its name), else 1."""
        outer, _, name = table.rpartition(".")
        inner = f"{table}.{key}" if table else key
        for wanted in ((table, index, key), (inner, index, ""), (table, index, ""), (outer, 0, name)):
            if wanted in self._lines:
                return self._lines[wanted]
        return 1


def _plain(name: str) -> str:
    return ".".join(part.strip().strip("\"'") for part in name.strip().split("."))
