"""Which state manager the settings give."""

import asyncio
import logging
import sys

import pytest

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings
from orchestrator.state.factory import StateManagerFactory, close_state_manager, get_state_manager
from orchestrator.state.memory import InMemoryStateManager
from orchestrator.state.redis import RedisStateManager
from orchestrator.state.rollout import RolloutStateManager

MINE = """
from orchestrator.state.memory import InMemoryStateManager

class Plain(InMemoryStateManager):
    ttl_seconds = 7

    def __init__(self):
        super().__init__(self.ttl_seconds)

class Configured(InMemoryStateManager):
    def __init__(self, *, settings):
        super().__init__(settings.state_ttl_seconds)
        self.ttl_seconds = settings.state_ttl_seconds

class Faulty(InMemoryStateManager):
    def __init__(self):
        1 / 0

class Demanding(InMemoryStateManager):
    def __init__(self, dsn):
        pass

class Stranger:
    pass
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """A module of the user's in the current directory."""
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "raising.py").write_text("import json\nraise RuntimeError('no DSN')")
    (tmp_path / "broken.py").write_text("import a_module_that_is_not_there")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield
    sys.modules.pop("mine", None)


@pytest.fixture
async def closing():
    """Managers to be closed after the test."""
    managers = []
    yield managers.append
    for manager in managers:
        await manager.close()


@pytest.fixture
async def alone(tmp_path, monkeypatch):
    """No `.env`, no manager before or after."""
    monkeypatch.chdir(tmp_path)
    await close_state_manager()
    yield
    await close_state_manager()


def messages(caplog) -> list[str]:
    return [record.getMessage() for record in caplog.records]


async def test_without_redis_states_are_in_memory() -> None:
    manager = await StateManagerFactory.create_state_manager(Settings(use_redis=False))
    assert isinstance(manager, InMemoryStateManager)


async def test_with_redis_states_are_there_and_the_documented_lines_are_logged(redis_url, caplog, closing) -> None:
    caplog.set_level(logging.INFO)
    settings = Settings(use_redis=True, redis_url=redis_url, state_ttl_seconds=77)
    manager = await StateManagerFactory.create_state_manager(settings)
    closing(manager)
    assert isinstance(manager, RedisStateManager)
    assert messages(caplog) == ["Initializing Redis-backed state manager", "Redis connection established"]
    assert (await manager.create_state("CA1")).version == 1


async def test_without_a_server_it_falls_back_to_memory_and_says_so_in_one_line(caplog, start_redis) -> None:
    server = start_redis()
    server.kill()
    url = server.url.replace("//", "//:hush@")
    manager = await StateManagerFactory.create_state_manager(Settings(use_redis=True, redis_url=url))
    assert isinstance(manager, InMemoryStateManager)
    [warning] = [record for record in caplog.records if record.levelno == logging.WARNING]
    text = warning.getMessage()
    assert "refuses the connection" in text
    assert "Falling back to memory" in text
    assert str(server.port) in text
    assert "hush" not in text
    assert "\n" not in text


async def test_a_frozen_server_does_not_hold_up_the_start(start_redis) -> None:
    server = start_redis()
    server.pause()
    settings = Settings(use_redis=True, redis_url=server.url)
    manager = await StateManagerFactory.create_state_manager(settings, start_seconds=0.2)
    assert isinstance(manager, InMemoryStateManager)


async def test_a_percentage_gives_a_rollout(redis_url, closing) -> None:
    settings = Settings(use_redis=True, redis_url=redis_url, redis_rollout_percent=25)
    manager = await StateManagerFactory.create_state_manager(settings)
    closing(manager)
    assert isinstance(manager, RolloutStateManager)


@pytest.mark.parametrize(("name", "ttl"), [("Plain", 7), ("Configured", 55)])
async def test_the_users_manager_is_loaded_with_settings_if_it_takes_them(mine, name, ttl) -> None:
    settings = Settings(state_manager=f"mine:{name}", state_ttl_seconds=55)
    manager = await StateManagerFactory.create_state_manager(settings)
    assert type(manager).__name__ == name
    assert manager.ttl_seconds == ttl


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("nowhere:Manager", "there is no module 'nowhere' here"),
        ("broken:Manager", "a_module_that_is_not_there"),
        ("broken:Manager", r"\(broken.py:1\)"),
        ("raising:Manager", r"RuntimeError: no DSN \(raising.py:2\)"),
        ("mine:Faulty", r"ZeroDivisionError: division by zero \(mine.py:\d+, in __init__\)"),
        ("mine:Missing", "the module mine has no 'Missing'"),
        ("mine:Stranger", "not a subclass of StateManagerBase"),
        ("mine:Demanding", "dsn"),
        ("orchestrator.state.base:StateManagerBase", "abstract"),
    ],
)
async def test_a_bad_name_is_one_sentence(mine, name, says) -> None:
    with pytest.raises(BadSetting, match=says) as caught:
        await StateManagerFactory.create_state_manager(Settings(state_manager=name))
    assert str(caught.value).startswith(f"STATE_MANAGER={name}: ")
    assert "\n" not in str(caught.value)


async def test_the_process_has_one_manager_however_many_ask_at_once(alone) -> None:
    managers = await asyncio.gather(*(get_state_manager() for _ in range(20)))
    assert all(manager is managers[0] for manager in managers)
    assert await get_state_manager() is managers[0]


async def test_one_who_gives_up_waiting_does_not_take_it_from_the_others(alone) -> None:
    impatient = asyncio.create_task(get_state_manager())
    patient = asyncio.create_task(get_state_manager())
    await asyncio.sleep(0)
    impatient.cancel()
    assert isinstance(await patient, InMemoryStateManager)
    assert impatient.cancelled() or impatient.done()


async def test_after_a_bad_setting_is_corrected_it_is_built(alone, monkeypatch) -> None:
    monkeypatch.setenv("STATE_TTL_SECONDS", "soon")
    with pytest.raises(BadSetting):
        await get_state_manager()
    monkeypatch.setenv("STATE_TTL_SECONDS", "30")
    assert isinstance(await get_state_manager(), InMemoryStateManager)


async def test_closing_forgets_the_manager_and_may_be_repeated(alone) -> None:
    first = await get_state_manager()
    await close_state_manager()
    await close_state_manager()
    assert await get_state_manager() is not first
