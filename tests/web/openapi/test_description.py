"""The description of the API says what there is: each route, with its scope, and the file in docs is up to date."""

import json
from pathlib import Path
from typing import Any

import pytest

from web.api.openapi.document import described_operations
from web.api.openapi.operation import Operation
from web.api.openapi.routes import ANY_CHANGE, as_file, scope_of
from web.api.openapi.system_operations import ROLLOUT
from web.api.rollout import COMMANDS
from web.api.routes import SCOPES

DOCUMENT = json.loads(as_file())
FILE = Path(__file__).parents[3] / "docs" / "openapi.json"


def test_every_route_is_described() -> None:
    routes = {route for route in SCOPES if route[1] != ANY_CHANGE}
    changes = {("POST", f"/rollout/{command}") for command in COMMANDS}
    operations = {(operation.method, operation.path) for operation in described_operations()}
    assert routes | changes <= operations
    assert all(
        path.startswith(("/health", "/livez", "/readyz", "/session")) for _, path in operations - routes - changes
    )


def test_each_name_is_used_once() -> None:
    names = [operation.name for operation in described_operations()]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("operation", ROLLOUT, ids=lambda it: it.name)
def test_a_change_of_the_rollout_needs_its_scope(operation: Operation) -> None:
    assert scope_of(operation.method, operation.path) == ("read" if operation.method == "GET" else "admin")


def test_the_file_is_what_is_served() -> None:
    """If not: `make openapi`."""
    assert FILE.read_text() == as_file()


def _references(value: Any) -> list[str]:
    if isinstance(value, dict):
        found = [value["$ref"]] if "$ref" in value else []
        return found + [it for nested in value.values() for it in _references(nested)]
    return [it for nested in value for it in _references(nested)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {reference.rpartition("/")[2] for reference in _references(DOCUMENT)} == set(schemas)


async def test_it_is_served_with_the_path_where_the_api_is(start_ingress) -> None:
    async with start_ingress(public_base_url="https://calls.example/voice", api_key="k") as ingress:
        served = (await ingress.client.get("/voice/openapi.json")).json()
        assert served["servers"] == [{"url": "/voice"}]
        assert served["paths"] == DOCUMENT["paths"]


async def test_the_page_has_every_operation_and_asks_nobody_else(start_ingress) -> None:
    async with start_ingress() as ingress:
        page = await ingress.client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        assert "script-src 'self'" in page.headers["content-security-policy"]
        for operation in described_operations():
            assert f'<article id="{operation.name}">' in page.text
        assert "http" not in page.text.replace("http_", "").replace("https://spec", "")
        assert (await ingress.client.get("/docs/page.css")).status_code == 200


async def test_without_a_key_it_is_as_closed_as_the_api(start_ingress) -> None:
    async with start_ingress(environment="production", twilio_auth_token="t") as ingress:
        for path in ("/openapi.json", "/docs"):
            assert (await ingress.client.get(path)).status_code == 403
