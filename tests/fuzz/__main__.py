"""`make fuzz`: wrong input for minutes, as `tests/fuzz` tries it for seconds. What is found is kept in the corpus.

    make fuzz                                      two minutes, with a seed of today
    make fuzz ARGS="--minutes 30 --seed 7"         the same seed gives the same input
    make fuzz ARGS="--only state,requests"         some targets alone; `redis` is what lies in Redis

The exit code is 1 if anything was found.
"""

import argparse
import asyncio
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from datetime import date
from pathlib import Path

from fuzz import network_readers, redis_readers
from fuzz.corpus import inputs_of, keep
from fuzz.http_request import RequestMutator
from fuzz.mutation import Mutator
from fuzz.redis_place import redis_place
from fuzz.request_fuzzer import judge
from fuzz.served import error_log, fuzzed_ingress
from fuzz.target import Target
from fuzz.test_redis_values import wrong_with
from support.servers import RedisServer

READERS = (*network_readers.TARGETS, *redis_readers.TARGETS)
AT_ONCE = 50
"""Inputs of one reader before the next one's."""

Report = Callable[[str, str, bytes], None]


def main() -> int:
    """Fuzz, say what was found, and return the exit code."""
    names = [*(target.name for target in READERS), "requests", "redis"]
    parser = argparse.ArgumentParser(prog="make fuzz")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", default=f"{date.today():%Y%m%d}")
    parser.add_argument("--only", default=",".join(names), help=f"some of {', '.join(names)}")
    args = parser.parse_args()
    chosen = args.only.split(",")
    if unknown := set(chosen) - set(names):
        parser.error(f"there is no {sorted(unknown)[0]}: choose among {', '.join(names)}")
    found = Findings()
    parts = [any(name in chosen for name in group) for group in (names[:-2], ["requests"], ["redis"])]
    seconds = args.minutes * 60 / sum(parts)
    if parts[0]:
        fuzz_readers([target for target in READERS if target.name in chosen], seconds, args.seed, found.add)
    if parts[1]:
        asyncio.run(fuzz_requests(seconds, args.seed, found.add))
    if parts[2]:
        asyncio.run(fuzz_redis(seconds, args.seed, found.add))
    print(f"{found.tried} inputs, {len(found.known)} findings (seed {args.seed})")  # noqa: T201
    return 1 if found.known else 0


class Findings:
    """What was found, each kind once."""

    def __init__(self) -> None:
        self.known: set[tuple[str, str]] = set()
        self.tried = 0

    def add(self, target: str, wrong: str, data: bytes) -> None:
        """Count an input; keep and print it if something is `wrong` that is not known yet."""
        self.tried += 1
        kind = (target, wrong[:60])
        if wrong and kind not in self.known:
            self.known.add(kind)
            place = keep(target, data) if data else "no file: the seed finds it again"
            print(f"{target}: {wrong[:2000]}\n  {place}", flush=True)  # noqa: T201


def fuzz_readers(targets: Iterable[Target], seconds: float, seed: str, report: Report) -> None:
    """Try the readers in turns."""
    logging.disable(logging.CRITICAL)
    mutators = {
        target: Mutator(f"{seed} {target.name}", [*target.examples, *inputs_of(target.name)]) for target in targets
    }
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for target, mutator in mutators.items():
            for _ in range(AT_ONCE):
                data = mutator.next()
                report(target.name, target.try_input(data), data)
    logging.disable(logging.NOTSET)


async def fuzz_requests(seconds: float, seed: str, report: Report) -> None:
    """Send requests to an ingress."""
    mutator, end = RequestMutator(seed, inputs_of("requests")), time.monotonic() + seconds
    with tempfile.TemporaryDirectory() as directory, error_log() as log:
        async with fuzzed_ingress(Path(directory)) as ingress:
            while time.monotonic() < end:
                request = mutator.next()
                report("requests", await judge(ingress.url, request, log), request.pack())
                log.lines.clear()


async def fuzz_redis(seconds: float, seed: str, report: Report) -> None:
    """Damage what lies in Redis under a worker and an ingress."""
    number, end, wrong = 0, time.monotonic() + seconds, ""
    with tempfile.TemporaryDirectory() as directory, RedisServer() as server, error_log() as log:
        async with redis_place(server, Path(directory), seed) as place:
            while time.monotonic() < end and not wrong:  # what a process has logged stays in its log
                wrong = await wrong_with(place, log, number)
                report("redis", wrong, b"")
                number += 1


if __name__ == "__main__":
    sys.exit(main())
