"""What commands print for programs: one JSON document, whose fields stay what they are in later versions."""

import argparse
import json
from typing import Any


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option `--json`."""
    parser.add_argument("--json", action="store_true", help="print JSON for programs")


def print_json(document: Any) -> None:
    """Print the document. Only ASCII comes out: a terminal can read what somebody said, and does not obey it."""
    print(json.dumps(document, indent=2))
