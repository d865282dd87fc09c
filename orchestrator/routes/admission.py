"""`Admission`: how many calls a tenant, or a route without one, may have at once."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Admission:
    """A call begins only while fewer than `max_calls` calls of `limited_as` are active.

    `limited_as` is a tenant's name, or the number of a route that has none.
    """

    limited_as: str
    max_calls: int
