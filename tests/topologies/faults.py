"""What is done to a master with Sentinels while calls go on."""

import asyncio

from support.sentinels import SentinelTopology
from support.waiting import wait_until


async def kill_and_bring_back(sentinels: SentinelTopology) -> None:
    """Kill the master; once another is named, start it again: it becomes a replica."""
    master = sentinels.master()
    master.kill()
    await _another_is_named(sentinels, master)
    master.start()


async def cut_off(sentinels: SentinelTopology) -> None:
    """Freeze the master until another is named, and let it go on believing that it is one."""
    master = sentinels.master()
    master.pause()
    await _another_is_named(sentinels, master)
    await asyncio.sleep(1)
    master.resume()


async def fail_over(sentinels: SentinelTopology) -> None:
    """Name another master; the old one goes on for seconds, and takes whatever it is given."""
    with sentinels.sentinels[0].client() as client:
        client.execute_command("SENTINEL FAILOVER", "mymaster")


async def killed_while_behind(sentinels: SentinelTopology, seconds: float = 0.4) -> None:
    """Cut the replicas' links, let the master take writes that they do not get, then kill it."""
    master, password = sentinels.master(), sentinels.password
    for replica in sentinels.servers:
        if replica is not master:
            with replica.client(password=password) as client:
                client.config_set("masterauth", "wrong")
    with master.client(password=password) as client:
        client.execute_command("CLIENT KILL TYPE replica")
        await asyncio.sleep(seconds)
    master.kill()
    await _another_is_named(sentinels, master)
    for replica in sentinels.servers:
        if replica is not master:
            with replica.client(password=password) as client:
                client.config_set("masterauth", password)
    master.start()


async def _another_is_named(sentinels: SentinelTopology, master: object) -> None:
    await wait_until(lambda: sentinels.master() is not master, "another master is named", 90)
