"""Makes the OpenAPI document (https://spec.openapis.org/oas/v3.1.1) of the operations."""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from orchestrator.api_keys.key import Scope
from web.api.openapi.answers import Problem
from web.api.openapi.operation import JSON, Answer, Operation, text_of
from web.api.openapi.operations import OPERATIONS
from web.api.openapi.parameters import PATH
from web.api.openapi.system_operations import HEALTH, HISTORY, INCIDENTS, PROCESSES, ROLLOUT

OPENAPI = "3.1.1"
PROBLEM = "application/problem+json"
REFERENCE = "#/components/schemas/{model}"
ABOUT = """\
Calls that software agents answer: what goes on in them, and what you may do about it.

Every request needs `Authorization: Bearer KEY`, with a key whose scope allows it; only a development server on this
machine asks for none. A browser may give its key for a cookie (`POST /session`). Errors are problem details (RFC 9457).
Lists come in pages: send the `next_cursor` of one as the `cursor` of the next. Answers may get more fields: ignore
those that you do not know.
"""
TAGS = {
    "calls": "Live calls: to look at, to place, to talk in, and to change from outside.",
    "live": "What goes on now: health, processes, calls.",
    "dead letters": "Turns that were given up, since each attempt lost its process.",
    "events": "What happened in calls and is not delivered yet to those who want to know.",
    "records": "The archive of calls that are over.",
    "incidents": "What happened to processes and Redis, which calls noticed it, and what is wrong now.",
    "processes": "The ingresses and workers of the deployment.",
    "rollout": "Which versions of the workers get new calls.",
    "session": "Browsers give a key once, and show a cookie instead of it.",
    "health": "Whether all is well, for machines and for people.",
}
OF_ALL = (401, 403, 429)
"""How any request with a key may be refused."""

ScopeOf = Callable[[str, str], Scope | None]


@cache
def described_operations() -> tuple[Operation, ...]:
    """Return all operations that are described."""
    return (*OPERATIONS, *INCIDENTS, *PROCESSES, *ROLLOUT, *HISTORY, *HEALTH)


def openapi(version: str, scope_of: ScopeOf, server: str = "/") -> dict[str, Any]:
    """Return the document. `scope_of` says which scope a method and a path need; None for none."""
    operations = described_operations()
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        described = _operation(operation, scope_of(operation.method, operation.path))
        paths.setdefault(operation.path, {})[operation.method.lower()] = described
    return {
        "openapi": OPENAPI,
        "info": {
            "title": "VoiceAgent",
            "version": version,
            "description": ABOUT,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": server}],
        "tags": [{"name": name, "description": about} for name, about in TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": _schemas(operations),
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer", "description": "`API_KEY`, or one of `API_KEYS`."}
            },
        },
    }


def _operation(operation: Operation, scope: Scope | None) -> dict[str, Any]:
    answers = {str(status): _answer(answer) for status, answer in operation.answers.items()}
    problems = {*operation.problems, *(OF_ALL if scope is not None else ())} - operation.answers.keys()
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "tags": [operation.tag],
        "parameters": [*(PATH[name] for name in re.findall(r"{(\w+)}", operation.path)), *operation.query],
        "responses": answers | {str(status): _problem(status) for status in sorted(problems)},
    }
    if scope is not None:
        described["security"] = [{"key": []}]
        described["x-scope"] = scope
    if operation.body is not None:
        content = {"schema": _reference(operation.body)}
        if operation.example is not None:
            content["example"] = dict(operation.example)
        described["requestBody"] = {"required": not operation.is_body_optional, "content": {JSON: content}}
        described["description"] = text_of(operation.body)
    return described


def _answer(answer: Answer) -> dict[str, Any]:
    described: dict[str, Any] = {"description": answer.about}
    content: dict[str, Any] = {JSON: {"schema": _reference(answer.model)}} if answer.model is not None else {}
    content |= {
        kind: {"schema": {"type": "string", "description": about}} for kind, about in answer.media_types.items()
    }
    if content:
        described["content"] = content
    if answer.headers:
        described["headers"] = {
            name: {"description": about, "schema": {"type": "string"}} for name, about in answer.headers.items()
        }
    return described


def _problem(status: int) -> dict[str, Any]:
    return {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": _reference(Problem)}}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": REFERENCE.format(model=model.__name__)}


def _schemas(operations: Iterable[Operation]) -> dict[str, Any]:
    bodies = [operation.body for operation in operations if operation.body is not None]
    answers: list[type[BaseModel]] = [Problem]
    answers += [answer.model for operation in operations for answer in operation.answers.values() if answer.model]
    _, sent = models_json_schema([(model, "validation") for model in dict.fromkeys(bodies)], ref_template=REFERENCE)
    _, got = models_json_schema([(model, "serialization") for model in dict.fromkeys(answers)], ref_template=REFERENCE)
    return dict(sorted((_plain(sent.get("$defs", {})) | _plain(got.get("$defs", {}))).items()))


def _plain(schema: Any) -> Any:
    """Return the schema without the titles that pydantic makes of names."""
    if isinstance(schema, Mapping):
        return {key: _plain(value) for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema
