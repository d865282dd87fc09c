"""What is wrong with a file of routes: all of it at once, each with its line."""

from collections.abc import Collection, Iterable
from typing import Any

from orchestrator.errors import BadSetting
from orchestrator.routes.toml_lines import TomlLines


class Complaints:
    """Collects what is wrong with the file `name`, whose lines `lines` knows."""

    def __init__(self, name: str, lines: TomlLines) -> None:
        self._name = name
        self._lines = lines
        self._found: list[tuple[int, str]] = []

    def add(self, table: "Table", key: str, why: str) -> None:
        """Note that a value is wrong: `why` goes on after the key's name."""
        self._found.append((self.line_of(table, key), f"{key}: {why}" if key else why))

    def line_of(self, table: "Table", key: str) -> int:
        """Return the line of a key, or of its table."""
        return self._lines.of(table.path, key, table.index)

    def raise_any(self) -> None:
        """Raise `BadSetting` with a line for each complaint, if there are any."""
        if self._found:
            lines = sorted(set(self._found))
            raise BadSetting("\n".join(f"{self._name}:{line}: {why}" for line, why in lines))


class Table:
    """One table of the file: its fields, and how each is read. What is wrong is told to `complaints`."""

    def __init__(self, path: str, fields: Any, complaints: Complaints, index: int = 0) -> None:
        self.path = path
        self.index = index
        self.complaints = complaints
        self.fields: dict[str, Any] = fields if isinstance(fields, dict) else {}
        if not isinstance(fields, dict):
            complaints.add(self, "", f"{path} must be a table")

    def check_keys(self, known: Collection[str]) -> None:
        """Complain of keys that mean nothing here."""
        for key in self.fields:
            if key not in known:
                self.complaints.add(self, key, f"means nothing here; there are {', '.join(sorted(known))}")

    def text(self, key: str) -> str | None:
        """Return a text that is not empty; None without one."""
        value = self.fields.get(key)
        if value is None:
            return None
        if not isinstance(value, str) or not value.strip():
            self.complaints.add(self, key, "must be a text in quotation marks")
            return None
        return value.strip()

    def one_of(self, key: str, known: Iterable[str], what: str) -> str | None:
        """Return a text that is among `known`."""
        value, names = self.text(key), sorted(known)
        if value is None or value in names:
            return value
        self.complaints.add(self, key, f"there is no {what} {value[:100]!r}; there are {', '.join(names) or 'none'}")
        return None
