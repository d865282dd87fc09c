"""A master, replicas and three Sentinels on loopback."""

from contextlib import ExitStack
from types import TracebackType

from support.servers import RedisServer
from support.tls_front import TLS
from support.waiting import wait_until_sync

_CONFIG = """port {{port}}
bind 127.0.0.1
dir {{dir}}
sentinel monitor mymaster 127.0.0.1 {master} 2
sentinel down-after-milliseconds mymaster 500
sentinel failover-timeout mymaster 3000
sentinel parallel-syncs mymaster 1
{more}
"""


class SentinelTopology:
    """Use it as a context manager; `password` is the servers', `sentinel_password` the Sentinels' own; `options` are
    further ones of the servers. With `tls`, clients may reach them all by it, too."""

    def __init__(
        self,
        *,
        password: str = "",
        sentinel_password: str = "",
        replicas: int = 1,
        options: tuple[str, ...] = (),
        tls: TLS | None = None,
    ) -> None:
        self._options = options
        self._replicas = replicas
        self._tls = tls
        self.password = password
        self._sentinel_password = sentinel_password
        self._stack = ExitStack()
        self.servers: list[RedisServer] = []
        self.sentinels: list[RedisServer] = []

    @property
    def hosts(self) -> str:
        """For a URL: the Sentinels."""
        return ",".join(f"127.0.0.1:{sentinel.port}" for sentinel in self.sentinels)

    @property
    def url(self) -> str:
        """For clients."""
        scheme = "redis-sentinel" if self._tls is None else "rediss-sentinel"
        return f"{scheme}://{f':{self.password}@' if self.password else ''}{self.hosts}/mymaster/0"

    def master(self) -> RedisServer:
        """The server that the first Sentinel takes for the master now. Raises `LookupError`; not `StopIteration`, which
        never comes out of a thread that is awaited."""
        _, port = self._ask("GET-MASTER-ADDR-BY-NAME") or ("", "0")
        for server in self.servers:
            if server.port == int(port):
                return server
        raise LookupError(f"The Sentinels' master, {port}, is none of ours.")

    def is_whole(self) -> bool:
        """Whether the master has all of its replicas in touch."""
        with self.master().client(password=self.password or None) as client:
            info = client.info("replication")
        states = [info.get(f"slave{number}", {}).get("state") for number in range(self._replicas)]
        return info["role"] == "master" and set(states) == {"online"}

    def __enter__(self) -> "SentinelTopology":
        with ExitStack() as stack:  # a start that fails leaves nothing running
            options = ["--appendonly", "yes", "--repl-diskless-sync-delay", "0", *self._options]
            if self.password:
                options += ["--requirepass", self.password, "--masterauth", self.password]
            master = stack.enter_context(RedisServer(*options, tls=self._tls))
            follow = [*options, "--replicaof", "127.0.0.1", str(master.port)]
            replicas = [stack.enter_context(RedisServer(*follow, tls=self._tls)) for _ in range(self._replicas)]
            self.servers = [master, *replicas]
            for replica in replicas:
                wait_until_sync(lambda replica=replica: self._is_linked(replica), "the replica is linked")
            more = f"sentinel auth-pass mymaster {self.password}\n" if self.password else ""
            if self._sentinel_password:
                more += f"requirepass {self._sentinel_password}\n"
            config = _CONFIG.format(master=master.port, more=more)
            for _ in range(3):
                sentinel = RedisServer("--sentinel", config=config, tls=self._tls)
                self.sentinels.append(stack.enter_context(sentinel))
            wait_until_sync(self._is_known, "the Sentinels know each other and the replica", timeout=60)
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _is_linked(self, replica: RedisServer) -> bool:
        with replica.client(password=self.password or None) as client:
            return client.info("replication").get("master_link_status") == "up"

    def _is_known(self) -> bool:
        answer = self._ask("MASTER")
        master = answer if isinstance(answer, dict) else dict(zip(answer[::2], answer[1::2], strict=True))
        return int(master["num-other-sentinels"]) == 2 and int(master["num-slaves"]) == self._replicas

    def _ask(self, command: str) -> list[str] | dict[str, str]:
        with self.sentinels[0].client(password=self._sentinel_password or None) as client:
            return client.execute_command(f"SENTINEL {command}", "mymaster")
