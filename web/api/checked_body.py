"""Bodies of requests as models: checked whole, and refused in one line that quotes no value."""

from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError
from starlette.requests import Request

from web.api.json_body import json_object
from web.problem_types import WRONG_FIELDS
from web.problems import Problem

Model = TypeVar("Model", bound=BaseModel)


async def read_body_as(kind: type[Model], request: Request) -> Model:
    """Return the checked body. Answer 415 or 400 to what is not a JSON object, 422 to wrong fields."""
    fields = await json_object(request)
    try:
        return kind.model_validate(fields)
    except ValidationError as error:
        raise Problem(WRONG_FIELDS, complaints(error)) from None


def complaints(error: ValidationError) -> str:
    """Return what is wrong with the fields, in one line that quotes no value."""
    return "; ".join(_complaint(dict(item)) for item in error.errors())


def _complaint(error: dict[str, Any]) -> str:
    where = ".".join(_shown(part) for part in error["loc"])
    message = str(error["msg"]).removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def _shown(part: str | int) -> str:
    """Return a step of the way to a wrong field. What is no name of a field may be what somebody has said."""
    return str(part) if isinstance(part, int) or part.isidentifier() else "…"


def _encodable(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("holds half of a surrogate pair") from None
    return value


Encodable = Annotated[str, AfterValidator(_encodable)]
"""Text that can be written as UTF-8: JSON may hold half of a surrogate pair."""
