"""Values that a newer version of the program may add to: a status, a kind, a channel, an outcome.

Old and new processes share what is stored. So a value that this version does not know must not make the whole call
unreadable; it is kept and passed on as it is. Code that reads such a value compares it with the ones it knows, and
treats any other as nothing special. A call is active while `ended` is None, whatever its status is. A turn of an
unknown kind goes to the agent.
"""

from typing import Any

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema


class OpenToNewer:
    """Marks a `Literal` as open: the type checker knows its values, and validation accepts any text."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Return the schema of a str."""
        return handler.generate_schema(str)
