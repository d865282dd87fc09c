"""Who may see whole telephone numbers over the API: a key with the scope `admin`."""

import json
import logging

import pytest
from starlette.exceptions import HTTPException
from support.ingress import StartIngress
from support.recorded_calls import ended, keep, turn

from orchestrator.api_keys.key import new_key
from orchestrator.log_lines import JsonFormatter, TextFormatter
from web.error_responses import http_error

KEYS = {scope: new_key(scope, [scope]) for scope in ("read", "admin")}
ENTRIES = ",".join(key.entry for _, key in KEYS.values())
CALLER, MASKED = "+15558675310", "+1555•••5310"
WITH_SCOPES = {"api_keys": ENTRIES}


def bearer(scope: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[scope][0]}"}


async def test_live_calls_show_whole_numbers_to_admin_alone(start_ingress: StartIngress) -> None:
    async with start_ingress(**WITH_SCOPES) as ingress:
        await ingress.client.post(
            "/calls/CA1/turns", headers=bearer("admin"), json={"turn_id": "t1", "text": "hello", "from": CALLER}
        )
        for path in ("/calls/CA1", "/calls"):
            whole = await ingress.client.get(path, headers=bearer("admin"))
            less = await ingress.client.get(path, headers=bearer("read"))
            assert CALLER in whole.text
            assert CALLER not in less.text
            assert MASKED in less.text
            assert list(less.json()) == list(whole.json())
            assert less.headers["content-type"] == whole.headers["content-type"]


@pytest.mark.parametrize("accept", ["application/json", "application/jsonl"])
async def test_records_and_exports_do_so_too(records_url: str, start_ingress: StartIngress, accept: str) -> None:
    await keep(records_url, [ended(turn("t1", "word"), call_sid="CA1", hours=1)])
    async with start_ingress(events_database_url=records_url, **WITH_SCOPES) as ingress:
        for path in ("/records", "/records/CA1"):
            texts = {
                scope: (await ingress.client.get(path, headers={**bearer(scope), "Accept": accept})).text
                for scope in KEYS
            }
            assert CALLER in texts["admin"]
            assert CALLER not in texts["read"]
            assert MASKED in texts["read"]
            assert all(json.loads(line) for line in texts["read"].splitlines())


async def test_events_do_so_too(start_ingress: StartIngress) -> None:
    async with start_ingress(
        events_webhook_url="http://127.0.0.1:9/",
        events_allow_private=True,
        events_webhook_secret="whsec_" + "a" * 32,
        **WITH_SCOPES,
    ) as ingress:
        await ingress.client.post(
            "/calls/CA1/turns", headers=bearer("admin"), json={"turn_id": "t1", "text": "hello", "from": CALLER}
        )
        whole = await ingress.client.get("/events/CA1/1", headers=bearer("admin"))
        less = await ingress.client.get("/events/CA1/1", headers=bearer("read"))
        assert CALLER in whole.text
        assert (CALLER in less.text, MASKED in less.text) == (False, True)


def test_what_an_error_quotes_is_masked_where_anybody_may_ask() -> None:
    answer = http_error("/twilio/voice", HTTPException(400, f"Account not allowed to call {CALLER}"))
    assert MASKED in bytes(answer.body).decode()


async def test_the_audit_log_masks_a_number_in_a_path(
    start_ingress: StartIngress, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with start_ingress(**WITH_SCOPES) as ingress:
        await ingress.client.delete(f"/calls/{CALLER}", headers=bearer("admin"))
    (line,) = (record for record in caplog.records if getattr(record, "action", "") == "api.change")
    for formatter in (JsonFormatter("web"), TextFormatter()):
        text = formatter.format(line)
        assert (CALLER in text, MASKED in text) == (False, True)
