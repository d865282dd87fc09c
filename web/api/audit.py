"""The audit log: one line for each request that asks for a change, with the name of its key."""

import logging

from starlette.requests import Request

from orchestrator.api_keys.key import Scope

logger = logging.getLogger(__name__)

SILENT: frozenset[Scope] = frozenset({"read", "converse"})
"""Scopes whose requests are not logged here: what is read, and turns, each of which has a line of its own."""


def log_change(request: Request, scope: Scope, by: str, status: int) -> None:
    """Log who asked for a change, which one, and how it was answered."""
    if scope in SILENT:
        return
    parameters = request.path_params
    about = {"call_sid": parameters["call_sid"]} if "call_sid" in parameters else {}
    logger.info(
        "The key %s asked for a change: %s %s was answered %d", by, request.method, request.url.path, status,
        extra={
            "action": "api.change", "key": by, "scope": scope, "method": request.method, "status": status,
            "path": request.url.path, **about,
        },
    )  # fmt: skip
