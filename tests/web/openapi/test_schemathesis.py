"""Schemathesis, which knows nothing of this program, finds that the API does what its description says."""

import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from support.programs import programs, ready
from support.servers import free_port

pytestmark = pytest.mark.processes

HERE = Path(__file__).parent
KEY = "a key of the API for this test"
CALL = "demo-1"
LEFT_OUT = "positive_data_acceptance"
"""A schema cannot say which calls have ended, which agents there are, what may be dialled, or what is printable."""

ENDLESS = "/live$"
"""The ends of paths whose answers have no end: tests/web/live tries them."""


async def test_the_api_does_what_its_description_says(tmp_path: Path, start_redis) -> None:
    redis, port = start_redis(), free_port()
    url = f"http://127.0.0.1:{port}"
    with programs(
        tmp_path, REDIS_URL=redis.url, API_KEY=KEY, API_RATE_LIMIT="", TWILIO_FROM_NUMBER="+15550001111",
        EVENTS="turn.completed,call.ended", EVENTS_WEBHOOK_URL=f"http://127.0.0.1:{free_port()}/",
        EVENTS_WEBHOOK_SECRET="whsec_" + "c2VjcmV0" * 5, EVENTS_ALLOW_PRIVATE="true",
    ) as start:  # fmt: skip
        start("workers", WORKER_VERSION="blue")
        start("web", PORT=str(port))
        await ready(url)
        async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {KEY}"}) as client:
            answer = await client.post(f"/calls/{CALL}/turns", json={"turn_id": "t1", "text": "hello"})
            assert answer.status_code == 200, answer.text
        judged = subprocess.run(
            [
                sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run",
                f"{url}/openapi.json", "--url", url, "--header", f"Authorization: Bearer {KEY}",
                "--exclude-path-regex", ENDLESS,
                "--exclude-checks", LEFT_OUT, "--phases", "examples,coverage,fuzzing", "--max-examples", "8",
                "--seed", "1", "--generation-deterministic", "--continue-on-failure", "--no-color",
            ],
            cwd=tmp_path, env={**os.environ, "HYPOTHESIS_STORAGE_DIRECTORY": str(tmp_path)}, capture_output=True,
            text=True, timeout=300, check=False,
        )  # fmt: skip
    assert judged.returncode == 0, judged.stdout[-6000:] + judged.stderr[-2000:]
