"""`make soak`: random faults under load, then an audit from outside.

Exit status 0 when nothing was found, 1 when something was, and 2 when the soak itself failed: nothing is known then.
"""

import argparse
import json
import logging
import sys

import uvloop
from soak.faults import SoakFailed
from soak.run import TOPOLOGIES, soak

WATCHED_AFTER_SECONDS = 40.0
"""So long after the last fault everybody who was killed is named."""


def main() -> int:
    """Run as the command line says."""
    options = _options()
    logging.basicConfig(format="%(asctime)s %(message)s", datefmt="%H:%M:%S", stream=sys.stderr)
    logging.getLogger("soak").setLevel(logging.INFO)
    try:
        report = uvloop.run(
            soak(
                seed=options.seed, seconds=options.seconds, callers=options.calls, every=options.every,
                topology=options.topology, relay_share=options.relay_share, interpreters=True,
                with_sinks=options.sinks, with_routes=options.routes, with_living=options.living,
                with_encryption=options.encrypt, is_watched=not options.unwatched, watched_after=WATCHED_AFTER_SECONDS,
            )
        )  # fmt: skip
    except SoakFailed:
        logging.getLogger("soak").exception("The soak itself failed; nothing is known about the product")
        return 2
    print(json.dumps(report.as_dict(), indent=2) if options.json else report.table())  # noqa: T201
    return 0 if report.is_clean else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make soak", description=__doc__)
    parser.add_argument("--seed", type=int, default=1, help="what faults come when, and what callers do")
    parser.add_argument("--seconds", type=float, default=120, help="how long faults and load go on")
    parser.add_argument("--calls", type=int, default=100, help="how many callers there are at once")
    parser.add_argument("--every", type=float, default=1.5, help="mean seconds between two faults")
    parser.add_argument("--relay-share", type=float, default=0.3, help="the share of callers on relays, 0 to 1")
    parser.add_argument("--topology", choices=list(TOPOLOGIES), default="standalone", help="how Redis is set up")
    parser.add_argument("--sinks", action="store_true", help="with sinks of events, which fail, hang and die as well")
    parser.add_argument("--routes", action="store_true", help="with routes, agents that hand off, and two versions")
    parser.add_argument("--living", action="store_true", help="with timers, activities, signals, messages, transfers")
    parser.add_argument("--encrypt", action="store_true", help="with encryption keys, which are replaced meanwhile")
    parser.add_argument("--unwatched", action="store_true", help="with nobody who looks at the cockpit")
    parser.add_argument("--json", action="store_true", help="print JSON in place of the table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
