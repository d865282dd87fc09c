"""Encryption keys that change while callers call: each step of a rotation is deployed to a part of the processes at a
time."""

import asyncio
from collections.abc import Iterator

from redis.asyncio import Redis
from soak.versions import Versions
from support.deployment import Deployment, Member
from support.encrypted_redis import unencrypted
from support.servers import RedisServer
from support.terminal import run_script

from orchestrator.encryption.keys import new_key

WEIGHTS = {"keys changed": 3}
SETTING = "STATE_ENCRYPTION_KEYS"
TRIES = 5
PAUSE_SECONDS = 3.0


class KeyRotation:
    """Takes the next step at each fault. `rotations` counts the keys that were replaced.

    `setting` is what the processes begin with.
    """

    def __init__(self, key: str) -> None:
        self.setting = key
        self.rotations = 0
        self.wrong: list[str] = []
        self._is_to_reseal = False
        self._steps = self._all_steps(key)

    def _all_steps(self, key: str) -> Iterator[str]:
        """Yield what is deployed; "" stands for writing anew what lies under the old key."""
        while True:
            new = new_key()
            yield f"{key},{new}"
            yield f"{new},{key}"
            yield ""
            yield new
            self.rotations += 1
            key = new

    async def step(self, deployment: Deployment, versions: Versions) -> list[str]:
        """Take the next step. Return what was wrong."""
        if not self._is_to_reseal:
            setting = next(self._steps)
            self._is_to_reseal = not setting
        if self._is_to_reseal:
            return await self._reseal(deployment)
        self.setting = setting
        return await self._deploy(deployment, versions)

    async def _deploy(self, deployment: Deployment, versions: Versions) -> list[str]:
        wrong: list[str] = []

        async def roll(member: Member) -> None:
            async with member.busy:
                member.environment[SETTING] = self.setting

                async def harm() -> None:
                    wrong.extend(filter(None, [await member.roll()]))

                await versions.disturb(member, harm)

        for group in _groups(deployment):
            await asyncio.gather(*(roll(member) for member in group))
        return wrong

    async def _reseal(self, deployment: Deployment) -> list[str]:
        """Until it says that nothing is left, as whatever befalls Redis interrupts it. Else no key is removed."""
        said = ""
        for _ in range(TRIES):
            environment = {**deployment.webs[0].environment, SETTING: self.setting}
            code, output, errors = await run_script(
                "encryption", "rotate", cwd=deployment.directory, settings=environment
            )
            if code == 0:
                self._is_to_reseal = False
                return []
            said = f"voiceagent encryption rotate ended with {code}: {output}{errors}"
            await asyncio.sleep(PAUSE_SECONDS)
        return [said]


def _groups(deployment: Deployment) -> list[list[Member]]:
    """Return who is replaced together: half of the ingresses, and a worker or two, of each version one."""
    webs, workers = deployment.webs, deployment.workers
    parts = [[*webs[number::2], *workers[2 * number : 2 * number + 2]] for number in range(2)]
    return [*parts, *([workers[4:]] if workers[4:] else [])]


async def in_plain(*servers: RedisServer) -> list[str]:
    """Return where words lie that are not encrypted."""
    found: list[str] = []
    for server in servers:
        async with Redis.from_url(server.url) as redis:
            found += [f"{place} is not encrypted" for place in await unencrypted(redis)]
    return found
