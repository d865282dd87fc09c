"""How many processes `python -m web` becomes, and what it says where it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.program import clean_environment
from support.servers import free_port

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings, load_settings
from web.processes.count import process_count
from web.processes.cpus import available_cpus

HERE = len(os.sched_getaffinity(0))


def settings(**given: object) -> Settings:
    return load_settings(_env_file=None, **given)


@pytest.mark.parametrize(("given", "count"), [("1", 1), ("3", 3), (" Auto ", "auto"), ("64", 64), (2, 2)])
def test_the_setting_is_a_number_or_auto(given: object, count: object) -> None:
    assert settings(web_processes=given).web_processes == count


@pytest.mark.parametrize("given", ["0", "65", "-1", "1.5", "many", "²", "9" * 100])
def test_anything_else_is_refused_in_one_line(given: str) -> None:
    with pytest.raises(BadSetting) as raised:
        settings(web_processes=given)
    assert str(raised.value) == (
        f"WEB_PROCESSES: got {given!r}; it must be a whole number from 1 to 64, or auto: as many as CPUs"
    )


def test_unless_told_otherwise_there_is_one() -> None:
    assert process_count(settings()) == 1


def test_auto_is_as_many_as_cpus_and_one_where_calls_are_in_memory() -> None:
    assert process_count(settings(web_processes="auto", use_redis=True)) == available_cpus()
    assert process_count(settings(web_processes="auto")) == 1
    assert process_count(settings(web_processes="auto", use_redis=True, redis_rollout_percent=50)) == 1


@pytest.mark.parametrize(
    ("given", "why"),
    [({}, "USE_REDIS=false"), ({"use_redis": True, "redis_rollout_percent": 50}, "REDIS_ROLLOUT_PERCENT=50")],
)
def test_several_are_refused_where_calls_are_in_memory(given: dict[str, object], why: str) -> None:
    with pytest.raises(BadSetting, match=f"^WEB_PROCESSES: got 2; with {why} calls are kept in the memory of one"):
        process_count(settings(web_processes=2, **given))


def group(root: Path, line: str, **files: str) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(line + "\n")
    for name, text in files.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    return root


@pytest.mark.parametrize(("quota", "cpus"), [("max 100000", HERE), ("150000 100000", 1), ("50000 100000", 1)])
def test_a_containers_quota_counts(tmp_path: Path, quota: str, cpus: int) -> None:
    assert available_cpus(group(tmp_path, "0::/", **{"cpu.max": quota})) == cpus


def test_a_quota_of_a_parent_counts_and_a_large_one_does_not(tmp_path: Path) -> None:
    files = {"a/b/cpu.max": "max 100000", "a/cpu.max": "100000 100000"}
    assert available_cpus(group(tmp_path / "small", "0::/a/b", **files)) == 1
    files["a/cpu.max"] = f"{(HERE + 1) * 100000} 100000"
    assert available_cpus(group(tmp_path / "large", "0::/a/b", **files)) == HERE


def test_a_quota_of_the_first_version_counts(tmp_path: Path) -> None:
    files = {"cpu,cpuacct/x/cpu.cfs_quota_us": "100000", "cpu,cpuacct/x/cpu.cfs_period_us": "100000"}
    assert available_cpus(group(tmp_path / "one", "4:memory:/x\n3:cpu,cpuacct:/x", **files)) == 1
    files["cpu,cpuacct/x/cpu.cfs_quota_us"] = "-1"
    assert available_cpus(group(tmp_path / "none", "3:cpu,cpuacct:/x", **files)) == HERE


def test_where_the_system_has_no_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert available_cpus(tmp_path) == HERE


@pytest.mark.processes
@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "WEB_PROCESSES: got 2; with USE_REDIS=false calls are kept"),
        ({"USE_REDIS": "true", "PORT": "many"}, "PORT: got 'many'; it must be a whole number"),
        ({"USE_REDIS": "true", "ENVIRONMENT": "production"}, "TWILIO_AUTH_TOKEN is not set. Production requires it"),
        ({"USE_REDIS": "true", "AGENT": "no.such:agent"}, "AGENT"),
        ({"USE_REDIS": "true", "HOST": "192.0.2.1"}, "HOST: '192.0.2.1' is not an address of this machine"),
    ],
)
def test_a_setting_that_stops_it_is_named_once_and_the_status_is_2(
    tmp_path: Path, environment: dict[str, str], sentence: str
) -> None:
    given = {"WEB_PROCESSES": "2", "PORT": "0", "REDIS_URL": f"redis://127.0.0.1:{free_port()}", "LOG_LEVEL": "WARNING"}
    ended = subprocess.run(
        [sys.executable, "-m", "web"], cwd=tmp_path, env=clean_environment(**(given | environment)),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.startswith(sentence)
    assert ended.stderr.count("\n") == 1
