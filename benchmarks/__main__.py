"""`python -m benchmarks [NAME …]`: measure, print tables, write JSON and a plot."""

import argparse
import asyncio
import dataclasses
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path

from redis.exceptions import RedisError

from benchmarks import page, terminal
from benchmarks.bench import Bench, Results
from benchmarks.budgets import verdicts
from benchmarks.deployment import Deployment
from benchmarks.processes import BenchmarkFailed, Stage
from benchmarks.programme import PROGRAMME, summary
from benchmarks.trees import BASELINE, PRESENT, REPOSITORY, NoSuchRevision, unpacked

LATEST = REPOSITORY / "benchmarks" / "results" / "latest.json"
PEERS = REPOSITORY / ".venv-bench"


def main() -> int:
    """Measure what was asked for. 0 also when a budget is missed: the table says so."""
    args = _arguments()
    if args.list:
        print(*(f"{name:10} {summary(name)}" for name in PROGRAMME), sep="\n")
        return 0
    if args.read:
        document = json.loads(args.read.read_text())
        results = Results(*(document[field.name] for field in dataclasses.fields(Results)))
    else:
        results = Results()
        document = {"machine": machine() | {"baseline": args.baseline}, "quick": args.quick}

        def save() -> None:
            document.update(dataclasses.asdict(results), budgets=[verdict.told for verdict in verdicts(results)])
            args.json.parent.mkdir(parents=True, exist_ok=True)
            args.json.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")

        with suppress(KeyboardInterrupt):  # then print what there is
            asyncio.run(measure(args, results, save))
    print(*terminal.lines(results, of_all=not args.names), sep="\n")
    if args.page:
        page.update(args.page, results, document["machine"])
    if args.plot:
        python = str(args.peers / "bin" / "python")
        command = [python, "-m", "benchmarks.plot", str(args.read or args.json), str(args.plot)]
        return subprocess.run(command, check=False).returncode
    return 0


async def measure(args: argparse.Namespace, results: Results, save: Callable[[], None]) -> None:
    """Run the measurements, one after the other on one server. A failed one is recorded, and the rest continues."""
    async with AsyncExitStack() as stack:
        stage = await stack.enter_async_context(Stage(args.peers))
        product = Deployment(stage, PRESENT, await stack.enter_async_context(stage.redis()))
        bench = Bench(stage, product, None, results, quick=args.quick)
        try:
            bench.baseline = await stack.enter_async_context(unpacked(args.baseline))
        except NoSuchRevision as reason:
            bench.trouble(f"comparisons with the tree before: {reason}")
        for name in args.names or PROGRAMME:
            began = time.perf_counter()
            print(f"{name:10} {summary(name)}", end=" ", file=sys.stderr, flush=True)
            try:
                async with product.redis() as redis:
                    await redis.flushall()
                await PROGRAMME[name](bench)
            except (BenchmarkFailed, RedisError, TimeoutError) as failure:
                bench.trouble(f"{name}: {failure or type(failure).__name__}")
            print(f"({time.perf_counter() - began:.0f} s)", file=sys.stderr, flush=True)
            save()


def machine() -> dict[str, str | int]:
    """Where it was measured."""
    models = {line.partition(":")[2].strip() for line in _cpu_info() if line.startswith("model name")}
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d"),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count() or 0,
        "processor": ", ".join(sorted(models)),
        "python": platform.python_version(),
    }


def _cpu_info() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what a turn costs.")
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*PROGRAMME, []], help="what (default: everything)")
    parser.add_argument("--list", action="store_true", help="say what can be measured")
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds, about a minute in all")
    parser.add_argument(
        "--baseline",
        default=BASELINE,
        metavar="REVISION",
        help="the tree before, to compare with (default: %(default)s)",
    )
    parser.add_argument("--json", type=Path, default=LATEST, metavar="FILE", help="(default: %(default)s)")
    parser.add_argument("--read", type=Path, metavar="FILE", help="measure nothing: show the results in this file")
    parser.add_argument("--page", type=Path, metavar="FILE", help="put the tables into this page")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the latencies as SVG")
    parser.add_argument(
        "--peers", type=Path, default=PEERS, metavar="DIR", help="the environment that holds the other queues"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
