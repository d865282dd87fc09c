"""`voiceagent doctor`: every trouble of the guide is found on a real server, and its line says what to change."""

import json
import time
from pathlib import Path

import pytest
from support.cluster import ClusterTopology
from support.sentinels import SentinelTopology
from support.servers import RedisServer, free_port
from support.terminal import at_a_terminal, run_script
from support.waiting import wait_until

from orchestrator.doctor.cluster import judge_cluster
from orchestrator.doctor.configuration import judge_settings
from orchestrator.doctor.facts import ClusterFacts, Facts, ServerFacts, SystemFacts
from orchestrator.doctor.finding import Finding, exit_code
from orchestrator.doctor.inspection import inspect_redis
from orchestrator.doctor.server import judge_confirmation, judge_server
from orchestrator.doctor.system import judge_system
from orchestrator.redis import keys
from orchestrator.redis.connections import connect
from orchestrator.settings import Settings
from orchestrator.state.redis import RedisStateManager
from orchestrator.worker_versions.plan import AutomaticRollback, RolloutPlan, Tally

Told = dict[str, tuple[str, str, str]]


@pytest.fixture
def doctor(tmp_path: Path):
    """`voiceagent doctor --json` with this URL and settings: exit code, and check → (level, message, advice)."""

    async def doctor(url: str, *arguments: str, **settings: str) -> tuple[int, Told]:
        given = {"USE_REDIS": "true", "REDIS_URL": url, "PORT": str(free_port()), **settings}
        code, output, errors = await run_script("doctor", "--json", *arguments, cwd=tmp_path, settings=given)
        assert errors == ""
        findings = json.loads(output)["findings"]
        worst = sorted(findings, key=lambda finding: ["ok", "note", "warning", "problem"].index(finding["level"]))
        return code, {f["check"]: (f["level"], f["message"], f["advice"]) for f in worst}

    return doctor


def told(findings) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings}


# The guide's troubleshooting section, on real servers.


@pytest.mark.processes
async def test_connection_refused(doctor) -> None:
    code, found = await doctor(f"redis://127.0.0.1:{free_port()}/0")
    level, message, advice = found["connection"]
    assert (code, level) == (2, "problem")
    assert "refuses the connection" in message
    assert "REDIS_HOST and REDIS_PORT" in advice


async def test_authentication_failed(doctor, start_redis) -> None:
    server = start_redis("--requirepass", "secret")
    _, found = await doctor(server.url)
    says = f"Redis at 127.0.0.1:{server.port} requires a password."
    advice = "Put it into REDIS_URL, or set REDIS_PASSWORD if there is no REDIS_URL."
    assert found["connection"] == ("problem", says, advice)
    _, found = await doctor(server.url.replace("//", "//:secret@"))
    assert found["connection"][0] == "ok"


@pytest.mark.processes
async def test_slow_performance_is_measured(doctor, redis_url) -> None:
    _, found = await doctor(redis_url)
    assert "A PING takes" in found["latency"][1]
    slow = ServerFacts("far", pings_ms=(60.0, 70.0, 80.0))
    finding = told(judge_server(slow, "standalone"))["latency"]
    assert finding.level == "problem"
    assert "same region" in finding.advice


async def test_state_not_persisting(doctor, start_redis) -> None:
    server = start_redis("--maxmemory", "20mb", "--maxmemory-policy", "allkeys-lru")
    code, found = await doctor(server.url)
    assert code == 2
    assert found["eviction"][0] == "problem"
    assert "noeviction" in found["eviction"][2]
    assert found["persistence"][0] == "warning"
    assert "appendonly yes" in found["persistence"][2]
    sound = start_redis("--appendonly", "yes", "--maxmemory", "500mb", "--maxmemory-policy", "noeviction")
    _, found = await doctor(sound.url)
    assert {found[name][0] for name in ("eviction", "persistence", "memory", "version", "clock")} == {"ok"}


@pytest.mark.processes
async def test_states_that_somebody_deletes(doctor, redis_client, redis_url) -> None:
    await RedisStateManager(redis_client, 100).create_state("CA1")
    _, found = await doctor(redis_url)
    assert found["keys"][:2] == ("ok", "1 call is active. Every key has a time to live (2 of ours looked at).")
    await redis_client.delete(keys.state("CA1"))
    _, found = await doctor(redis_url)
    assert found["keys"][0] == "problem"
    assert "FLUSHDB" in found["keys"][2]


async def test_memory_usage_growing(doctor, start_redis) -> None:
    server = start_redis()
    with server.client() as client:
        client.setrange(keys.state("CA1"), 2_000_000, "x")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 100_000)
    code, found = await doctor(server.url)
    assert code == 2
    assert found["memory"][0] == "problem"
    assert "STATE_TTL_SECONDS" in found["memory"][2]
    assert found["keys"][1].startswith("1 key has no time to live, such as voiceagent:state:CA1")


@pytest.mark.processes
async def test_settings_that_keep_calls_in_memory_unawares(doctor, redis_url) -> None:
    code, found = await doctor(redis_url, USE_REDIS="false")
    assert code == 2
    assert found["settings"][1] == "REDIS_URL is set, but USE_REDIS is false: calls are in memory."
    assert "connection" not in found


# The rest of the examination.


async def test_a_replica_and_a_user_with_few_rights_are_told(doctor, start_redis) -> None:
    master = start_redis("--repl-diskless-sync-delay", "0")
    replica = start_redis("--replicaof", "127.0.0.1", str(master.port))
    await wait_until(lambda: replica.client().info()["master_link_status"] == "up", "the replica is linked")
    _, found = await doctor(replica.url)
    assert found["replicas"][:2] == ("problem", "This server is a replica.")
    with master.client() as client:
        client.execute_command("ACL SETUSER narrow on >pass ~* &* +@all -info -config")
    _, found = await doctor(master.url.replace("//", "//narrow:pass@"))
    assert found["connection"][0] == "note"
    assert "may not run INFO" in found["connection"][1]
    assert "version" not in found


@pytest.mark.processes
async def test_sentinels_and_their_replicas_are_told(doctor) -> None:
    with SentinelTopology() as topology:
        url = f"redis-sentinel://{topology.hosts}/mymaster"
        _, found = await doctor(url)
        assert found["replicas"][0] in ("ok", "note")
        assert found["connection"][1].endswith("(sentinel).")
        next(server for server in topology.servers if server is not topology.master()).kill()
        await wait_until(
            lambda: topology.master().client().info("replication")["connected_slaves"] == 0, "the replica is missed"
        )
        _, found = await doctor(url)
        assert found["replicas"][:2] == ("problem", "No replica is in touch.")


@pytest.mark.processes
async def test_every_node_of_a_cluster_is_looked_at(doctor) -> None:
    with ClusterTopology(replicas=1) as cluster:
        redis = connect(Settings(redis_url=cluster.url))
        async with redis:
            for number in range(20):
                await RedisStateManager(redis).create_state(f"CA{number}")
            cluster.ask(cluster.nodes[1], "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
            cluster.ask(cluster.owner_of_key("{voiceagent:x"), "SET", "{voiceagent:x", "for ever")
        _, found = await doctor(cluster.url)
        assert found["connection"][1].endswith("(cluster).")
        assert found["cluster"] == ("ok", "There are 3 masters and 3 replicas. They serve all slots.", "")
        assert found["eviction"][1].startswith(f"127.0.0.1:{cluster.nodes[1].port}: The eviction policy is allkeys-lru")
        assert "1 key has no time to live, such as {voiceagent:x" in found["keys"][1]
        facts = await inspect_redis(Settings(redis_url=cluster.url))
        assert [server.info["role"] for server in facts.servers] == ["master"] * 3 + ["slave"] * 3
        assert facts.system.active_calls == facts.system.states == 20


@pytest.mark.processes
async def test_a_cluster_that_lacks_a_node_is_told(doctor) -> None:
    with ClusterTopology() as cluster:
        cluster.nodes[0].kill()
        code, found = await doctor(cluster.url)
        assert code == 2
        assert "5461 of 16384 slots are served by nobody in reach" in found["cluster"][1]
        assert found["node"][1] == f"127.0.0.1:{cluster.nodes[0].port}: Redis refuses the connection."


def test_clusters_that_fail_over_late_or_not_at_all_are_told() -> None:
    slow = ServerFacts("here", {"role": "slave", "master_link_status": "down"}, {"cluster-node-timeout": "15000"})
    found = list(judge_cluster(ClusterFacts(masters=2, replicas=2), [slow]))
    assert [finding.level for finding in found] == ["warning", "note"]
    assert "15000 ms" in found[1].message
    assert told(judge_server(slow, "cluster"))["replicas"].level == "problem"


@pytest.mark.processes
async def test_workers_queue_and_letters_are_told(doctor, redis_client, redis_url) -> None:
    _, found = await doctor(redis_url)
    assert found["workers"] == ("problem", "No worker is alive.", "Start one: python -m workers")
    now = time.time()
    for name, agent in (("a", "echo"), ("b", "other")):
        await redis_client.zadd(keys.WORKERS, {name: now})
        await redis_client.set(keys.worker_status(name), json.dumps({"agent": agent, "running": 1}), ex=60)
    await redis_client.expire(keys.WORKERS, 60)
    await redis_client.hset(keys.DEAD_LETTERS, "CA1/t1", "{}")
    await redis_client.expire(keys.DEAD_LETTERS, 60)
    await redis_client.set(keys.LAST_CRON_RUN, now, ex=60)
    _, found = await doctor(redis_url)
    assert found["workers"][:2] == ("warning", "2 workers are alive and run 2 turns of the agent echo and other.")
    assert found["dead letters"][1] == "1 turn failed for good."


@pytest.mark.processes
async def test_what_answers_in_the_place_of_web_is_told(doctor, redis_url) -> None:
    _, found = await doctor(redis_url)
    assert found["web"][0] == "warning"
    assert "python -m web" in found["web"][2]


@pytest.mark.processes
async def test_the_embedded_server_of_this_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / ".voiceagent").mkdir()
    with RedisServer("--unixsocket", str(tmp_path / ".voiceagent" / "valkey.sock")):
        _, output, _ = await run_script("doctor", cwd=tmp_path, settings={"PORT": str(free_port())})
    assert "Redis answers at" in output
    assert "valkey.sock" in output


@pytest.mark.processes
async def test_at_a_terminal_it_is_a_page_that_fits(redis_url, tmp_path: Path) -> None:
    settings = {"USE_REDIS": "true", "REDIS_URL": redis_url, "PORT": str(free_port())}
    async with at_a_terminal("doctor", cwd=tmp_path, settings=settings) as running:
        assert await running.exit_code() == 2
        await running.shows("Some things must be changed.")
        assert "\x1b[" in running.text
        assert "→ Start one: python -m workers" in running.text.replace("\x1b[31m  → \x1b[0m", "→ ")


async def test_no_secret_is_shown(start_redis, tmp_path: Path) -> None:
    server = start_redis("--requirepass", "hush-hush")
    settings = {"USE_REDIS": "true", "REDIS_URL": server.url.replace("//", "//:hush-hush@"), "API_KEY": "hush-key"}
    for arguments in (["doctor"], ["doctor", "--json"]):
        _, output, errors = await run_script(*arguments, cwd=tmp_path, settings=settings)
        assert "hush" not in output + errors


# Judgements that no test server can be brought to deserve quickly.


def test_a_full_machine_a_late_replica_and_a_wrong_clock_are_told() -> None:
    info = {
        "redis_version": "5.0.1", "used_memory": 90, "maxmemory": 100, "maxmemory_policy": "noeviction",
        "aof_enabled": 1, "aof_last_write_status": "err", "role": "master", "connected_slaves": 1,
        "slave0": {"state": "online", "lag": 7}, "connected_clients": 90, "maxclients": 100, "rejected_connections": 3,
    }  # fmt: skip
    found = told(judge_server(ServerFacts("here", info, {}, (0.1,), ahead_seconds=-60), "sentinel"))
    assert {name: finding.level for name, finding in found.items()} == {
        "latency": "ok", "version": "problem", "memory": "problem", "eviction": "ok", "persistence": "problem",
        "replicas": "warning", "clock": "warning", "connections": "warning",
    }  # fmt: skip
    assert "60.00 s behind" in found["clock"].message
    assert all(finding.advice for finding in found.values() if finding.level in ("warning", "problem"))


@pytest.mark.parametrize(("wanted", "level"), [(1, "ok"), (2, "warning"), (3, "problem")])
def test_replicas_that_are_to_confirm_are_counted(wanted, level) -> None:
    info = {f"slave{n}": {"state": "online"} for n in range(2)} | {"connected_slaves": 2}
    finding = judge_confirmation(ServerFacts("here", info), wanted)
    assert finding.level == level
    assert finding.message == f"REDIS_WAIT_REPLICAS is {wanted}, and 2 are in touch."


def test_a_replica_that_says_nothing_any_more_confirms_nothing() -> None:
    info = {"slave0": {"state": "online", "lag": 6}, "connected_slaves": 1}
    finding = judge_confirmation(ServerFacts("here", info), 1)
    assert (finding.level, finding.message) == ("problem", "REDIS_WAIT_REPLICAS is 1, and none is in touch.")


def test_a_queue_that_stands_and_blocked_threads_are_told() -> None:
    workers = ({"agent": "echo", "stuck_threads": 2},)
    found = told(judge_system(SystemFacts(workers=workers, queue_depth=3, oldest_wait_seconds=9)))
    assert found["queue"].message == "3 calls wait; the longest is 9 s late."
    assert found["workers"].message == "2 threads are blocked by an agent."
    assert found["cron"].level == "note"


def test_a_rollout_is_told_and_a_warning_if_nobody_runs_it_or_it_was_undone() -> None:
    workers = ({"agent": "echo", "version": "a"}, {"agent": "echo", "version": "b"})
    plan = RolloutPlan(2, "a", "b", 5)
    assert "rollout" not in told(judge_system(SystemFacts(workers=workers)))
    found = told(judge_system(SystemFacts(workers=workers, rollout=plan)))["rollout"]
    assert (found.level, found.message) == ("ok", "5 % of the new calls begin at b, the others at a.")
    found = told(judge_system(SystemFacts(workers=workers[1:], rollout=plan)))["rollout"]
    assert found.level == "warning"
    assert "No worker runs a, so any worker takes its calls." in found.message
    undone = RolloutPlan(3, "a", rollback=AutomaticRollback("b", Tally(20, 9), Tally(50, 1)))
    found = told(judge_system(SystemFacts(workers=workers, rollout=undone)))["rollout"]
    assert found.level == "warning"
    assert "b was rolled back by the workers: 9 of its last 20 turns failed, and 1 of the last 50 of a" in found.message


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"redis_rollout_percent": 50}, "REDIS_ROLLOUT_PERCENT is 50."),
        ({"redis_url": "redis://redis.example"}, "Redis at redis.example:6379 is used without a password."),
        ({"redis_url": "redis://:p@redis.example", "redis_ssl": True}, "REDIS_SSL is true, but"),
        ({"redis_url": "rediss://:p@redis.example?ssl_cert_reqs=none"}, "Any certificate is trusted"),
        ({"redis_url": "redis://localhost", "redis_host": "other"}, "REDIS_URL wins over REDIS_HOST."),
        ({"state_ttl_seconds": 60}, "STATE_TTL_SECONDS is 60."),
        ({"agent_timeout_seconds": 90}, "AGENT_TIMEOUT_SECONDS is 90."),
        ({"public_base_url": "http://calls.example"}, "PUBLIC_BASE_URL is not https."),
        ({"public_base_url": "https://calls.example"}, "PUBLIC_BASE_URL is set and API_KEY is not"),
        ({"environment": "production"}, "SEAL_KEY is not set"),
        ({"environment": "production"}, "API_KEY is not set: the API under /calls is off."),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together_are_told(settings, sentence) -> None:
    found = list(judge_settings(Settings(_env_file=None, use_redis=True, **settings)))
    assert any(finding.message.startswith(sentence) for finding in found)
    assert all(finding.advice for finding in found if finding.level != "ok")


def test_the_exit_code_is_that_of_the_worst_finding() -> None:
    levels = [("ok", 0), ("note", 0), ("warning", 1), ("problem", 2)]
    findings = [Finding("any", level, "") for level, _ in levels]
    assert [exit_code(findings[: n + 1]) for n in range(4)] == [code for _, code in levels]


async def test_an_examination_never_raises(start_redis) -> None:
    server = start_redis()
    server.kill()
    facts = await inspect_redis(Settings(_env_file=None, redis_url=server.url))
    assert isinstance(facts, Facts)
    assert facts.trouble
