"""`GET /calls`: pages and filters."""

from typing import Any

import pytest

from orchestrator.api_keys.key import new_key

KEYS = {scope: new_key(scope, [scope]) for scope in ("read", "admin")}
ENTRIES = ",".join(key.entry for _, key in KEYS.values())


def bearer(scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[scope][0]}"}


async def listed(ingress, query: str = "", scope: str = "admin") -> dict[str, Any]:
    response = await ingress.client.get(f"/calls?{query}", headers=bearer(scope))
    assert response.status_code == 200, response.text
    return response.json()


async def found(ingress, query: str, scope: str = "admin") -> list[str]:
    return sorted(call["call_sid"] for call in (await listed(ingress, query, scope))["calls"])


async def test_pages_have_every_call_once_the_newest_first(start_ingress):
    async with start_ingress(api_keys=ENTRIES) as ingress:
        for number in range(7):
            await ingress.runtime.states.create_state(f"call-{number}")
        seen, cursor = [], ""
        for _ in range(4):
            page = await listed(ingress, f"limit=2&cursor={cursor}")
            seen += [call["call_sid"] for call in page["calls"]]
            assert page["count"] == 7
            cursor = page["next"] or ""
            if len(seen) == 2:  # what is written meanwhile moves nothing
                state = await ingress.runtime.states.get_state("call-0")
                await ingress.runtime.states.update_state(state)
        assert seen == [f"call-{number}" for number in reversed(range(7))]
        assert cursor == ""


async def test_calls_are_found_by_agent_tenant_version_and_health(start_ingress):
    async with start_ingress(api_keys=ENTRIES) as ingress:
        states = ingress.runtime.states
        await states.create_state("a", agent="sales", tenant="acme", worker_version="blue")
        await states.create_state("b", agent="sales", tenant="other")
        await states.create_state("c")
        assert await found(ingress, "agent=sales") == ["a", "b"]
        assert await found(ingress, "agent=sales&tenant=acme") == ["a"]
        assert await found(ingress, "version=blue") == ["a"]
        assert await found(ingress, "health=ok") == ["a", "b", "c"]
        assert await found(ingress, "health=failing") == []


async def test_nobody_finds_by_digits_what_they_may_not_see(start_ingress):
    async with start_ingress(api_keys=ENTRIES) as ingress:
        await ingress.runtime.states.create_state("a", from_number="+15558675310", to_number="+15551234567")
        for digits, may_read in (("5310", True), ("%2B1555", True), ("4567", True), ("867", False), ("8675310", False)):
            assert await found(ingress, f"number={digits}", "admin") == ["a"]
            assert await found(ingress, f"number={digits}", "read") == (["a"] if may_read else [])
        assert await found(ingress, "number=999") == []


@pytest.mark.parametrize(
    "query", ["health=well", "number=abc", "number=" + "1" * 21, "agent=%00", "cursor=x", "cursor=W10"]
)
async def test_what_makes_no_sense_is_refused(start_ingress, query):
    async with start_ingress(api_keys=ENTRIES) as ingress:
        response = await ingress.client.get(f"/calls?{query}", headers=bearer("admin"))
        assert response.status_code == 422
        assert query.partition("=")[0] in response.json()["detail"].lower()
