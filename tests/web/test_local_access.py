"""A development server without keys serves its own machine alone, however a request reaches it."""

import logging
from typing import Any

import pytest
from support.ingress import CALL
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

PUBLIC = "https://calls.example.com"
API = ["/calls", "/dashboard", "/dashboard/page/main.js", "/overview"]
TRACES = [
    "X-Forwarded-For", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Forwarded-Client-Cert", "Forwarded", "Via",
    "X-Real-IP", "X-Original-Host", "True-Client-IP", "X-Client-IP", "CF-Connecting-IP", "CF-Ray", "CDN-Loop",
    "Fly-Client-IP", "X-Envoy-External-Address", "Tailscale-User-Login", "Ngrok-Skip-Browser-Warning",
    "X-Amzn-Trace-Id", "X-Azure-ClientIP", "Fastly-Client-IP", "X-Cluster-Client-IP", "X-Tunnel-Id", "X-Request-Via",
]  # fmt: skip


@pytest.mark.parametrize("path", API)
async def test_with_a_public_address_the_api_wants_a_key_even_from_this_machine(start_ingress: Any, path: str) -> None:
    async with start_ingress(public_base_url=PUBLIC) as ingress:
        response = await ingress.client.get(path)
    assert response.status_code == 403
    assert "API_KEY" in response.text


async def test_with_a_public_address_the_key_opens_the_api(start_ingress: Any) -> None:
    async with start_ingress(public_base_url=PUBLIC, api_key="sesame") as ingress:
        assert (await ingress.client.get("/calls")).status_code == 401
        response = await ingress.client.get("/calls", headers={"Authorization": "Bearer sesame"})
    assert response.status_code == 200


@pytest.mark.parametrize("url", ["http://localhost:8000", "http://127.0.0.1:8000", "http://[::1]:8000"])
async def test_a_public_address_that_is_this_machine_is_none(start_ingress: Any, url: str) -> None:
    async with start_ingress(public_base_url=url, twilio_auth_token=None) as ingress:
        assert (await ingress.client.get("/calls")).status_code == 200
        assert (await ingress.client.post("/twilio/voice", data={"CallSid": CALL})).status_code == 200


async def test_with_a_public_address_unsigned_webhooks_are_refused_even_from_this_machine(start_ingress: Any) -> None:
    async with start_ingress(public_base_url=PUBLIC, twilio_auth_token=None) as ingress:
        response = await ingress.client.post("/twilio/voice", data={"CallSid": CALL})
    assert response.status_code == 403
    assert "TWILIO_AUTH_TOKEN" in response.text
    assert ingress.turns == []


@pytest.mark.parametrize("header", TRACES)
async def test_any_trace_of_a_proxy_closes_the_api(start_ingress: Any, header: str) -> None:
    async with start_ingress() as ingress:
        assert (await ingress.client.get("/calls", headers={header: "x"})).status_code == 403


@pytest.mark.parametrize(
    ("path", "headers"), [("/livez", {"X-Forwarded-For": "203.0.113.9"}), ("/livez", {"Host": "calls.example.com"}),
                          ("/twilio/voice", {"Via": "1.1 tunnel"})]
)  # fmt: skip
async def test_a_server_that_was_seen_behind_a_tunnel_wants_a_key_from_then_on(
    start_ingress: Any, caplog: Any, path: str, headers: dict[str, str]
) -> None:
    """A tunnel that passes bytes on adds no header, and its client may send `Host: localhost`."""
    async with start_ingress(twilio_auth_token=None) as ingress:
        assert (await ingress.client.get("/calls")).status_code == 200
        await ingress.client.get(path, headers=headers)
        for _ in range(2):
            response = await ingress.client.get("/calls")
            assert response.status_code == 403
            assert "API_KEY" in response.json()["error"]
        assert (await ingress.client.post("/twilio/voice", data={"CallSid": CALL})).status_code == 403
    warnings = [record for record in caplog.records if getattr(record, "action", "") == "server.forwarded"]
    assert [record.levelno for record in warnings] == [logging.WARNING]


async def test_a_socket_seen_behind_a_tunnel_counts_too(start_ingress: Any) -> None:
    async with start_ingress(twilio_auth_token=None) as ingress:
        target = ingress.url.replace("http", "ws", 1) + "/twilio/relay"
        with pytest.raises(InvalidStatus):
            await connect(target, additional_headers={"X-Forwarded-For": "203.0.113.9"}, proxy=None)
        assert (await ingress.client.get("/calls")).status_code == 403


async def test_with_a_key_a_tunnel_changes_nothing(start_ingress: Any) -> None:
    async with start_ingress(api_key="sesame") as ingress:
        await ingress.client.get("/livez", headers={"X-Forwarded-For": "203.0.113.9"})
        response = await ingress.client.get("/calls", headers={"Authorization": "Bearer sesame"})
    assert response.status_code == 200
