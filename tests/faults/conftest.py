"""Deployments of real processes, with a proxy before Redis, and callers to look at them with."""

import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from support.deployment import Deployment
from support.line import Line
from support.puppet import STAGE, Strings

Deploy = Callable[..., Any]


@pytest.fixture
def strings(tmp_path: Path) -> Strings:
    """What the agent `support.puppet` hangs on."""
    return Strings(tmp_path)


@pytest.fixture
async def deploy(strings: Strings) -> AsyncIterator[Deploy]:
    """`await deploy(webs=2, workers=1, AGENT_TIMEOUT_SECONDS="2")`: the product, and no process may end by itself."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Deployment:
            settings = {"AGENT": "support.puppet:reply", STAGE: str(strings.directory), **options}
            deployment = Deployment(**settings)
            deployments.append(deployment)
            return await stack.enter_async_context(deployment)

        deployments: list[Deployment] = []
        yield start
        exits = [complaint for deployment in deployments for complaint in deployment.exits]
    assert not exits, "\n".join(exits)
    for deployment in deployments:
        shutil.rmtree(deployment.directory, ignore_errors=True)


@pytest.fixture
def line() -> Callable[..., Line]:
    """`line(deployment)`: a caller by phone; `line(deployment, "CA2")` another."""
    return Line
