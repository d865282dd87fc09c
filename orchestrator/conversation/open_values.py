"""Values of which a newer version of the program may know more.

Old and new processes share what is stored: a status, a kind, a channel or an outcome that this version does not
know must not make a whole call unreadable. It is kept and passed on as it is. The rule for whoever looks at such a
value: ask for the ones you know, and treat any other as nothing special. A call goes on while `ended` is None,
whatever its status; a turn of an unknown kind is the agent's to answer.
"""

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema


class OpenToNewer:
    """Marks a `Literal`: a type checker knows its values, and reading takes any text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """The schema of a text."""
        return handler.generate_schema(str)
