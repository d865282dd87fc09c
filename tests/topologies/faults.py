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


class Split:
    """A partition: the master and one Sentinel on this side, all the others on the other.

    Nothing is cut; each side stops letting the other one in, by the passwords that it asks for. The master must want
    one, and clients come to it as the user `caller` with that password.
    """

    def __init__(self, sentinels: SentinelTopology) -> None:
        self._sentinels = sentinels
        self.master = sentinels.master()
        self.near, *self.far = sentinels.sentinels

    def allow_callers(self) -> None:
        """Let clients in as `caller` at every server, on whatever side it may be."""
        for server in self._sentinels.servers:
            with server.client(password=self._sentinels.password) as client:
                client.execute_command(
                    "ACL", "SETUSER", "caller", "on", f">{self._sentinels.password}", "~*", "&*", "+@all"
                )

    def begin(self) -> None:
        """From here on neither side reaches the other."""
        with self.near.client() as client:
            client.execute_command("SENTINEL SET", "mymaster", "auth-pass", "near")
        for sentinel in self.far:
            with sentinel.client() as client:
                client.execute_command("SENTINEL CONFIG SET", "sentinel-pass", "far")
        for sentinel in self.far:
            with sentinel.client() as client:
                client.execute_command("ACL", "SETUSER", "default", "resetpass", ">far")
                client.execute_command("CLIENT", "KILL", "TYPE", "normal")
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        with self.master.client(password=self._sentinels.password) as client:
            client.execute_command("ACL", "SETUSER", "default", "resetpass", ">near")
            client.execute_command("CLIENT", "KILL", "USER", "default", "SKIPME", "yes")

    def heal(self) -> None:
        """Let them find each other again."""
        with self.master.client(password="near") as client:
            client.execute_command("CONFIG", "SET", "masterauth", self._sentinels.password)
            client.execute_command("ACL", "SETUSER", "default", "resetpass", f">{self._sentinels.password}")
        for sentinel in self.far:
            with sentinel.client(password="far") as client:
                client.execute_command("SENTINEL CONFIG SET", "sentinel-pass", "")
                client.execute_command("ACL", "SETUSER", "default", "nopass")
        with self.near.client() as client:
            client.execute_command("SENTINEL SET", "mymaster", "auth-pass", self._sentinels.password)

    def another_is_named(self) -> bool:
        """Whether the other side has a master of its own."""
        with self.far[0].client(password="far") as client:
            _, port = client.execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", "mymaster")
        return int(port) != self.master.port


async def _another_is_named(sentinels: SentinelTopology, master: object) -> None:
    await wait_until(lambda: sentinels.master() is not master, "another master is named", 90)
