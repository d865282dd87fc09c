"""What each key of the API may do, and the line that says who has changed what."""

import logging
import re
from pathlib import Path

import pytest

from orchestrator import clock
from orchestrator.api_keys.key import SCOPES, new_key
from web.api.routes import routes
from web.api.session_cookie import NAME, session_value
from web.seal_keys import SealKeys

KEYS = {scope: new_key(scope, [scope]) for scope in SCOPES}
ENTRIES = ",".join(key.entry for _, key in KEYS.values())

NEEDED = {
    ("GET", "/calls"): "read",
    ("POST", "/calls"): "dial",
    ("GET", "/calls/{call_sid}"): "read",
    ("GET", "/calls/{call_sid}/live"): "read",
    ("GET", "/overview"): "read",
    ("GET", "/live"): "read",
    ("DELETE", "/calls/{call_sid}"): "control",
    ("POST", "/calls/{call_sid}/turns"): "converse",
    ("POST", "/calls/{call_sid}/signals"): "control",
    ("POST", "/calls/{call_sid}/say"): "control",
    ("POST", "/calls/{call_sid}/transfer"): "control",
    ("POST", "/calls/{call_sid}/hang-up"): "control",
    ("GET", "/dead-letters"): "read",
    ("GET", "/dead-letters/{call_sid}/{turn_id}"): "read",
    ("DELETE", "/dead-letters/{call_sid}/{turn_id}"): "admin",
    ("POST", "/dead-letters/{call_sid}/{turn_id}/run"): "admin",
    ("GET", "/events"): "read",
    ("GET", "/events/{call_sid}"): "read",
    ("GET", "/events/{call_sid}/{position}"): "read",
    ("DELETE", "/events/{call_sid}/{position}"): "admin",
    ("POST", "/events/{call_sid}/{position}/replay"): "admin",
    ("POST", "/sinks/{sink}/retry"): "admin",
    ("POST", "/sinks/{sink}/resume"): "admin",
    ("GET", "/findings"): "read",
    ("GET", "/incidents"): "read",
    ("GET", "/processes"): "read",
    ("POST", "/workers/{worker_id}/drain"): "admin",
    ("GET", "/rollout"): "read",
    ("POST", "/rollout/{command}"): "admin",
    ("GET", "/history"): "read",
    ("GET", "/records"): "read",
    ("GET", "/records/{call_sid}"): "read",
}
"""Every route of the API, and the scope that it needs."""
OTHERS = {("GET", "/metrics"), ("GET", "/metrics/fleet"), ("GET", "/health/detailed")}
"""What needs the scope `read` beside the API."""
PAGE = Path(__file__).parents[2] / "docs" / "security.md"


def bearer(scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[scope][0]}"}


def test_every_route_of_the_api_is_listed_here() -> None:
    there = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    assert there == set(NEEDED)


async def test_a_key_opens_what_its_scope_says_and_nothing_else(start_ingress) -> None:
    async with start_ingress(api_keys=ENTRIES) as ingress:
        for (method, template), needed in {**NEEDED, **dict.fromkeys(OTHERS, "read")}.items():
            path = template.replace("{call_sid}", "a").replace("{position}", "1").replace("{sink}", "file")
            for scope in SCOPES:
                async with ingress.client.stream(  # some answers have no end
                    method, path.replace("{command}", "clear"), headers=bearer(scope), json={}
                ) as answer:
                    allowed = scope in (needed, "admin")
                    assert (answer.status_code in (401, 403)) is not allowed, (method, path, scope)
                    if not allowed:
                        assert f'scope="{needed}"' in answer.headers["www-authenticate"]


async def test_a_session_of_another_ingress_opens_whatever_is_asked_first(start_ingress) -> None:
    async with start_ingress(api_keys=ENTRIES) as ingress:
        _, key = KEYS["read"]
        seal, until = ingress.app.state.ingress.seal, int(clock.now()) + 600
        for number, (method, template) in enumerate(sorted({*NEEDED, *OTHERS, ("GET", "/session")})):
            if NEEDED.get((method, template), "read") != "read":
                continue
            elsewhere = f"made at ingress {number}"

            async def learn(made: str = elsewhere) -> None:
                seal.keys.adopt(made)

            seal.learn = learn
            cookie = f"{NAME}={session_value(key, until, SealKeys(elsewhere))}"
            path = template.replace("{call_sid}", "a").replace("{position}", "1").replace("{turn_id}", "1")
            async with ingress.client.stream(method, path, headers={"Cookie": cookie}) as answer:
                assert answer.status_code not in (401, 403), path


def test_the_page_on_security_names_each_route_under_its_scope() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", PAGE.read_text(), re.MULTILINE))
    named = {
        (method, path): scope for scope in SCOPES for method, path in re.findall(r"`([A-Z]+) (/[^`]+)`", rows[scope])
    }
    assert named == {**NEEDED, **dict.fromkeys(OTHERS, "read")}


async def test_the_api_key_and_the_keys_with_scopes_hold_side_by_side(start_ingress) -> None:
    async with start_ingress(api_key="the whole", api_keys=ENTRIES) as ingress:
        for headers in ({"Authorization": "Bearer the whole"}, bearer("read")):
            assert (await ingress.client.get("/calls", headers=headers)).status_code == 200
        assert (await ingress.client.get("/calls")).status_code == 401


async def test_with_keys_alone_production_has_an_api(start_ingress) -> None:
    async with start_ingress(api_keys=ENTRIES, environment="production") as ingress:
        assert (await ingress.client.get("/calls", headers=bearer("read"))).status_code == 200
        assert (await ingress.client.get("/calls", headers={"Authorization": "Bearer x"})).status_code == 401


async def test_a_change_is_logged_with_the_name_of_its_key(start_ingress, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with start_ingress(api_keys=ENTRIES) as ingress:
        await ingress.client.post("/calls/a/turns", headers=bearer("converse"), json={"text": "hello"})
        await ingress.client.get("/calls/a", headers=bearer("read"))
        await ingress.client.delete("/calls/a", headers=bearer("control"))
        await ingress.client.delete("/calls/a", headers=bearer("control"))
    lines = [record for record in caplog.records if getattr(record, "action", "") == "api.change"]
    seen = [(line.key, line.scope, line.method, line.path, line.status, line.call_sid) for line in lines]
    assert seen == [
        ("control", "control", "DELETE", "/calls/a", 204, "a"),
        ("control", "control", "DELETE", "/calls/a", 404, "a"),
    ]
    assert KEYS["control"][0] not in caplog.text


async def test_every_route_that_changes_something_leaves_its_line(
    start_ingress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    changing = {route: scope for route, scope in NEEDED.items() if scope not in ("read", "converse")}
    async with start_ingress(api_keys=ENTRIES) as ingress:
        for (method, template), scope in changing.items():
            path = template.replace("{call_sid}", "a").replace("{position}", "1").replace("{sink}", "file")
            await ingress.client.request(method, path.replace("{command}", "clear"), headers=bearer(scope), json={})
    lines = [record for record in caplog.records if getattr(record, "action", "") == "api.change"]
    assert [(line.method, line.scope, line.key) for line in lines] == [
        (method, scope, scope) for (method, _), scope in changing.items()
    ]
