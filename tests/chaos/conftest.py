"""Deployments for chaos to break."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.servers import free_port
from support.terminal import VOICEAGENT, Running, in_the_background

START_SECONDS = 60


@pytest.fixture
async def dev(tmp_path: Path) -> AsyncIterator[tuple[str, Running]]:
    """A deployment of `voiceagent dev`, with the agent of chaos: its URL."""
    port = free_port()
    command = [*VOICEAGENT, "dev", "--port", str(port)]
    settings = {"AGENT": "orchestrator.chaos.agent:answer"}
    async with in_the_background(*command, cwd=tmp_path, settings=settings) as running:
        await running.shows("VoiceAgent answers calls.", START_SECONDS)
        yield f"http://127.0.0.1:{port}", running
        running.process.send_signal(signal.SIGTERM)
        await running.exit_code()
