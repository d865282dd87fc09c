"""Sessions of browsers: a key is given once, and a cookie stands for it afterwards."""

import logging
from http.cookies import SimpleCookie
from typing import Any

import httpx
import pytest
from support.ingress import Ingress, StartIngress
from support.passing_time import moving_clock

from orchestrator.api_keys.key import new_key
from web.api.session_cookie import NAME

ADMIN, ADMIN_KEY = new_key("office", ["admin"])
READER, READER_KEY = new_key("reader", ["read"])
KEYS = f"{ADMIN_KEY.entry},{READER_KEY.entry}"
SEAL = "a seal key of these tests, of 32 characters"
CHANGE = "/rollout/clear"
"""A change for `admin`, which without Redis is answered 404."""


async def open_session(ingress: Ingress, secret: str, **headers: str) -> httpx.Response:
    return await ingress.client.post("/session", json={"key": secret}, headers=headers)


def cookie_of(response: httpx.Response) -> Any:
    return SimpleCookie(response.headers["set-cookie"])[NAME]


async def test_a_key_is_given_for_a_cookie_that_opens_what_the_key_opens(start_ingress: StartIngress) -> None:
    async with start_ingress(api_keys=KEYS) as ingress:
        opened = await open_session(ingress, READER)
        assert (opened.status_code, opened.json()["name"], opened.json()["scopes"]) == (200, "reader", ["read"])
        assert (await ingress.client.get("/calls")).status_code == 200, "the client sends the cookie by itself"
        shown = (await ingress.client.get("/session")).json()
        assert shown == opened.json()
        refused = await ingress.client.post(CHANGE, headers={"Origin": ingress.url})
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/insufficient-scope")


async def test_an_admin_may_do_everything_and_a_change_is_logged_by_the_name_of_the_key(
    start_ingress: StartIngress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with start_ingress(api_keys=KEYS) as ingress:
        opened = await open_session(ingress, ADMIN)
        assert opened.json()["scopes"] == ["read", "converse", "dial", "control", "admin"]
        assert (await ingress.client.post(CHANGE, headers={"Origin": ingress.url})).status_code == 404
    lines = {getattr(record, "action", ""): record for record in caplog.records}
    assert lines["api.change"].key == lines["session.opened"].key == "office"
    assert ADMIN not in caplog.text
    assert opened.headers["set-cookie"].split(";")[0] not in caplog.text


async def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k", public_base_url="https://gate.example/phone") as ingress:
        cookie = cookie_of(await open_session(ingress, "k", Origin="https://gate.example"))
        assert cookie["httponly"]
        assert cookie["secure"]
        assert (cookie["samesite"], cookie["path"], cookie["max-age"]) == ("strict", "/phone", "43200")


async def test_on_this_machine_without_tls_the_cookie_is_kept_by_every_browser(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        assert not cookie_of(await open_session(ingress, "k", Origin=ingress.url))["secure"]
        assert cookie_of(await open_session(ingress, "k", Host="gate.example"))["secure"]
        behind_tls = {"Origin": "https://localhost", "Sec-Fetch-Site": "same-origin"}
        assert cookie_of(await open_session(ingress, "k", **behind_tls))["secure"]


async def test_where_the_browser_would_drop_the_cookie_the_page_is_told_why(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        refused = await open_session(ingress, "k", Origin="http://gate.example", Host="gate.example")
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/needs-https")
        assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        ({}, False),
        ({"Origin": "https://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": "http://127.0.0.1:1"}, False),
        ({"Origin": "http://[half"}, False),
        ({"Origin": "OWN", "Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "same-origin"}, True),
        ({"Origin": "OWN"}, True),
        ({"Origin": "https://gate.example"}, True),
        ({"Origin": "https://gate.example:443"}, True),
    ],
)
async def test_only_our_own_page_changes_something_by_a_cookie(
    start_ingress: StartIngress, headers: dict[str, str], is_ours: bool
) -> None:
    async with start_ingress(api_keys=KEYS, public_base_url="https://gate.example") as ingress:
        value = cookie_of(await open_session(ingress, ADMIN)).value
        sent = {name: text.replace("OWN", ingress.url) for name, text in headers.items()}
        answer = await ingress.client.post(CHANGE, headers={**sent, "Cookie": f"{NAME}={value}"})
        assert answer.status_code == (404 if is_ours else 403)
        if not is_ours:
            assert answer.json()["type"] == "/problems/foreign-page"
        seen = await ingress.client.get("/calls", headers={**sent, "Cookie": f"{NAME}={value}"})
        assert seen.status_code == 200, "reading changes nothing"


async def test_another_servers_page_opens_no_session_here(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        refused = await open_session(ingress, "k", Origin="https://evil.example")
        assert (refused.status_code, refused.json()["type"]) == (403, "/problems/foreign-page")


async def test_a_session_ends_with_its_time(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        cookie = {"Cookie": f"{NAME}={cookie_of(await open_session(ingress, 'k')).value}"}
        with moving_clock() as move:
            move(12 * 3600 - 1000)
            assert (await ingress.client.get("/session", headers=cookie)).status_code == 200
            move(1001)
            assert (await ingress.client.get("/session", headers=cookie)).status_code == 401


async def test_a_session_ends_when_its_key_is_replaced_or_taken_away(start_ingress: StartIngress) -> None:
    _other, other_key = new_key("office", ["admin"])
    async with start_ingress(api_keys=KEYS, seal_key=SEAL) as ingress:
        cookie = {"Cookie": f"{NAME}={cookie_of(await open_session(ingress, ADMIN)).value}"}
    async with start_ingress(api_keys=KEYS, seal_key=SEAL) as ingress:
        assert (await ingress.client.get("/session", headers=cookie)).json()["name"] == "office", "another ingress"
    for left in (f"{other_key.entry},{READER_KEY.entry}", READER_KEY.entry):
        async with start_ingress(api_keys=left, seal_key=SEAL) as ingress:
            assert (await ingress.client.get("/session", headers=cookie)).status_code == 401
    async with start_ingress(api_keys=KEYS, seal_key=SEAL[::-1]) as ingress:
        assert (await ingress.client.get("/session", headers=cookie)).status_code == 401, "another deployment"


async def test_nobody_makes_or_changes_a_session(start_ingress: StartIngress) -> None:
    async with start_ingress(api_keys=KEYS) as ingress:
        name, until, signature = cookie_of(await open_session(ingress, READER)).value.split(":")
        ingress.client.cookies.clear()
        for value in (
            f"desk:{until}:{signature}", f"{name}:{int(until) + 1}:{signature}", f"{name}:{until}:{signature[:-1]}",
            f"{name}:{until}:", f"{name}:{until}", "", ":::",
            f"{name}:{'9' * 5000}:{signature}", f"{name}:²:{signature}",
        ):  # fmt: skip
            answer = await ingress.client.get("/calls", headers={"Cookie": f"{NAME}={value}".encode()})
            assert answer.status_code == 401, value


async def test_a_key_goes_before_a_cookie(start_ingress: StartIngress) -> None:
    async with start_ingress(api_keys=KEYS) as ingress:
        await open_session(ingress, READER)
        shown = await ingress.client.get("/session", headers={"Authorization": f"Bearer {ADMIN}"})
        assert (shown.json()["name"], shown.json()["until"]) == ("office", None)
        wrong = await ingress.client.get("/session", headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401


async def test_of_two_cookies_for_two_paths_the_right_one_counts(start_ingress: StartIngress) -> None:
    async with start_ingress(api_keys=KEYS) as ingress:
        value = cookie_of(await open_session(ingress, READER)).value
        ingress.client.cookies.clear()
        for pair in (f"{NAME}={value}; {NAME}=another", f"{NAME}=another; {NAME}={value}", f"a=b; {NAME}={value}; c"):
            assert (await ingress.client.get("/calls", headers={"Cookie": pair})).status_code == 200


async def test_the_browser_is_told_to_forget_it(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        await open_session(ingress, "k")
        closed = await ingress.client.delete("/session", headers={"Origin": ingress.url})
        assert (closed.status_code, cookie_of(closed)["max-age"]) == (204, "0")
        assert (await ingress.client.get("/session")).status_code == 401
        assert (await ingress.client.delete("/session")).status_code == 204, "as often as one likes"


async def test_another_servers_page_closes_no_session_here(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        await open_session(ingress, "k")
        assert (await ingress.client.delete("/session", headers={"Origin": "https://evil.example"})).status_code == 403


async def test_after_too_many_wrong_keys_even_the_right_one_must_wait(
    start_ingress: StartIngress, caplog: pytest.LogCaptureFixture
) -> None:
    async with start_ingress(api_key="the right one") as ingress:
        for _ in range(10):
            assert (await open_session(ingress, "a wrong one")).status_code == 401
        refused = await open_session(ingress, "the right one")
        assert (refused.status_code, refused.json()["type"]) == (429, "/problems/rate-limited")
        assert 0 < int(refused.headers["retry-after"]) <= 60
        bearer = {"Authorization": "Bearer the right one"}
        assert (await ingress.client.get("/calls", headers=bearer)).status_code == 200, "clients are not locked out"
    assert [record for record in caplog.records if getattr(record, "action", "") == "session.refused"]
    assert "the right one" not in caplog.text
    assert "a wrong one" not in caplog.text


async def test_right_keys_do_not_count(start_ingress: StartIngress) -> None:
    async with start_ingress(api_key="k") as ingress:
        assert [(await open_session(ingress, "k")).status_code for _ in range(12)] == [200] * 12


@pytest.mark.parametrize("body", [{}, {"key": ""}, {"key": 5}, {"key": "k", "more": 1}, {"key": "k" * 1001}])
async def test_a_wrong_body_is_refused_without_being_quoted(start_ingress: StartIngress, body: dict[str, Any]) -> None:
    async with start_ingress(api_key="k") as ingress:
        answer = await ingress.client.post("/session", json=body)
        assert (answer.status_code, answer.json()["type"]) == (422, "/problems/wrong-fields")
        assert "kk" not in answer.text


async def test_on_this_machine_without_keys_there_is_nothing_to_give(start_ingress: StartIngress) -> None:
    local = {"name": "local", "scopes": ["read", "converse", "dial", "control", "admin"], "until": None}
    async with start_ingress() as ingress:
        assert (await ingress.client.get("/session")).json() == local
        opened = await open_session(ingress, "anything")
        assert opened.json() == local
        assert "set-cookie" not in opened.headers


async def test_where_the_api_is_closed_there_are_no_sessions(start_ingress: StartIngress) -> None:
    async with start_ingress(environment="production") as ingress:
        for answer in (await ingress.client.get("/session"), await open_session(ingress, "anything")):
            assert (answer.status_code, answer.json()["type"]) == (403, "/problems/api-closed")
