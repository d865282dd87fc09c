"""`make canaries`: plants secrets in a run with everything on, under faults, and looks for them everywhere.

It runs twice: without encryption, and with keys. Where what may lie is in the table of docs/security.md. Exit status 0
when that is so, 1 when something lies elsewhere, or does not lie where the page says so.
"""

import argparse
import asyncio
import logging
import sys

from canaries.plan import plantings
from canaries.report import promised
from canaries.run import run


def main() -> int:
    """Run as the command line says."""
    options = _options()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("canaries").setLevel(logging.DEBUG if options.only else logging.INFO)
    may, wrong = promised(), False
    for encrypts in {"off": (False,), "on": (True,)}.get(options.encryption, (False, True)):
        planted = [it for it in plantings(options.seed, share=options.share) if options.only in it.canary.name]
        report = asyncio.run(run(planted, seed=options.seed, fault_seconds=options.seconds, encrypts=encrypts))
        complaints = [
            *(f"It was not planted: {name}" for name in report.lost),
            *report.leaks(may),
            *report.examples(may),
            *report.exits,
        ]
        if len(planted) == len(plantings(options.seed)):
            complaints += report.missing(may)
        wrong = wrong or bool(complaints)
        print(f"\nEncryption {'on' if encrypts else 'off'}. {report.table()}")  # noqa: T201
        print("\n".join(complaints) or "All lies where docs/security.md says, and nowhere else.")  # noqa: T201
    return 1 if wrong else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make canaries", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="which secrets, and what faults come when")
    parser.add_argument("--seconds", type=float, default=30, help="how long faults come")
    parser.add_argument("--encryption", choices=["off", "on", "both"], default="both", help="default: %(default)s")
    parser.add_argument("--share", type=int, default=1, help="plant every n-th secret only")
    parser.add_argument("--only", default="", metavar="NAME", help="plant those alone whose name has this")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
