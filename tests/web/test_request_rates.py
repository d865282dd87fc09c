"""A key of the API that sends too many requests is answered 429."""

from orchestrator.api_keys.key import digest_of

KEY = "the-key-of-the-test-0000000000000"
OTHER = "another-key-of-the-test-000000000"
KEYS = f"reporting:read:{digest_of(OTHER.encode())}"


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


async def test_one_request_too_many_is_a_problem_that_says_when_to_come_back(start_ingress):
    async with start_ingress(api_key=KEY, api_keys=KEYS, api_rate_limit="3/hour") as ingress:
        for _ in range(3):
            assert (await ingress.client.get("/calls", headers=bearer(KEY))).status_code == 200
        refused = await ingress.client.post("/calls/c/turns", json={"text": "hello"}, headers=bearer(KEY))
        details = refused.json()
        assert refused.headers["content-type"] == "application/problem+json"
        assert (refused.status_code, details["type"], details["status"]) == (429, "/problems/rate-limited", 429)
        assert 3500 < int(refused.headers["retry-after"]) <= 3600
        assert ingress.turns == []
        assert (await ingress.client.get("/calls", headers=bearer(OTHER))).status_code == 200, "another key"
        page = (await ingress.client.get("/metrics", headers=bearer(OTHER))).text
        assert "voiceagent_api_requests_limited_total 1.0" in page


async def test_a_wrong_key_uses_up_nothing_of_a_right_one(start_ingress):
    async with start_ingress(api_key=KEY, api_rate_limit="1/hour") as ingress:
        for _ in range(3):
            assert (await ingress.client.get("/calls", headers=bearer("wrong"))).status_code == 401
        assert (await ingress.client.get("/calls", headers=bearer(KEY))).status_code == 200
        assert (await ingress.client.get("/calls", headers=bearer(KEY))).status_code == 429


async def test_the_limit_can_be_off_and_holds_for_nobody_without_a_key(start_ingress):
    async with start_ingress(api_key=KEY, api_rate_limit="off") as ingress:
        assert [(await ingress.client.get("/calls", headers=bearer(KEY))).status_code for _ in range(9)] == [200] * 9
    async with start_ingress(api_rate_limit="1/hour") as ingress:
        assert [(await ingress.client.get("/calls")).status_code for _ in range(5)] == [200] * 5
