"""One operation of the API: how it is described, for machines and for people."""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from web.api.openapi.parameters import Parameter

JSON = "application/json"


@dataclass(frozen=True)
class Answer:
    """An answer that is no problem: what it means, its content, and its headers (name → what it says)."""

    about: str
    model: type[BaseModel] | None = None
    media_types: Mapping[str, str] = field(default_factory=dict)
    """Content that is no JSON: media type → what it is."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Operation:
    """What one method of one path does. `problems` are the statuses of its refusals, besides those of all.

    `example` is a body that a client may send, and `is_body_optional` says that it may send none.
    """

    method: str
    path: str
    summary: str
    answers: Mapping[int, Answer]
    problems: tuple[int, ...] = ()
    query: tuple[Parameter, ...] = ()
    body: type[BaseModel] | None = None
    example: Mapping[str, Any] | None = None
    is_body_optional: bool = False
    tag: str = "calls"

    @property
    def name(self) -> str:
        """Return what clients may call it."""
        words = [part.strip("{}").replace("-", "_") for part in self.path.split("/") if part]
        return "_".join([self.method.lower(), *words])


def text_of(documented: object) -> str:
    """Return the docstring of what does it: the description, in full."""
    return inspect.getdoc(documented) or ""
