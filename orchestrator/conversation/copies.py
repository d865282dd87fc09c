"""Copies of models, on the path of every turn: three times as quick as `model_copy`, of which a turn needs several."""

from typing import Any, TypeVar

from pydantic import BaseModel

M = TypeVar("M", bound=BaseModel)
_set = object.__setattr__


def changed(model: M, **fields: Any) -> M:
    """Return `model.model_copy(update=fields)`. All names are of fields; the values are not validated there either."""
    copy: M = type(model).__new__(type(model))
    extra = model.__pydantic_extra__
    _set(copy, "__dict__", {**model.__dict__, **fields})
    _set(copy, "__pydantic_extra__", None if extra is None else dict(extra))
    _set(copy, "__pydantic_fields_set__", {*model.__pydantic_fields_set__, *fields})
    _set(copy, "__pydantic_private__", None)
    return copy
