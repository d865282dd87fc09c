"""Who gets the files of the dashboard, and what they may do."""

import re

import pytest
from support.ingress import CALL

KEY = "a key with ünicode"
FILES = ["/dashboard", "/dashboard/page/main.js", "/dashboard/page/css/base.css", "/dashboard/icon.svg"]


async def test_with_a_key_anybody_gets_the_files_which_hold_nothing_of_calls(start_ingress):
    async with start_ingress(api_key=KEY) as ingress:
        for path in FILES:
            response = await ingress.client.get(path, headers={"X-Forwarded-For": "203.0.113.9"})
            assert response.status_code == 200


@pytest.mark.parametrize("path", FILES)
async def test_without_a_key_only_this_machine_sees_it(ingress, path):
    assert (await ingress.client.get(path)).status_code == 200
    assert (await ingress.client.get(path, headers={"X-Forwarded-For": "203.0.113.9"})).status_code == 403


@pytest.mark.parametrize("path", FILES)
async def test_without_a_key_it_is_off_in_production(start_ingress, path):
    async with start_ingress(environment="production") as ingress:
        response = await ingress.client.get(path)
        assert response.status_code == 403
        assert "API_KEY" in response.text


@pytest.mark.parametrize("path", FILES)
async def test_the_page_may_load_and_run_nothing_but_its_own_files(ingress, path):
    response = await ingress.client.get(path)
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "http://" not in response.text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in response.text
    for danger in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=", "onclick="):
        assert danger not in response.text


async def test_a_failed_turn_has_a_reason_that_quotes_nobody(start_ingress):
    async def failing(turn, state):
        yield "Well. "
        raise RuntimeError(f"cannot do {turn.text!r}")

    async with start_ingress(agent=failing) as ingress:
        await ingress.begin()
        turn = (await ingress.client.get(f"/calls/{CALL}")).json()["turns"][0]
    assert turn["outcome"] == "failed"
    assert re.fullmatch(r"the agent raised RuntimeError \(test_dashboard\.py:\d+ in failing\)", turn["reason"])
