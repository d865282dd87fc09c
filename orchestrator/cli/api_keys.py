"""Make a key of the API, or list those that are set.

  voiceagent api-keys                         list the keys of API_KEYS: names and scopes
  voiceagent api-keys new NAME SCOPE…         make a key: its secret for the client, its entry for API_KEYS

Scopes: read (see calls, records, events, metrics), converse (send text turns), dial (place calls), control (signal,
speak in a call, transfer, hang up, delete), admin (all of that; events, sinks, rollouts). The secret is shown once: the
server has its SHA-256 alone. To replace a key without a gap, add the new entry, deploy, move the clients, and take the
old entry away. API_KEY is one more key, which may do everything.
"""

import argparse
import json
import sys

from orchestrator.api_keys.key import SCOPES, new_key
from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json
from orchestrator.cli.table import table_lines
from orchestrator.settings import Settings, load_settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent api-keys`."""
    parser.add_argument("command", nargs="?", default="list", choices=("list", "new"), help="default: %(default)s")
    parser.add_argument("name", nargs="?", metavar="NAME", help="new: of whoever gets it, such as reporting")
    parser.add_argument("scopes", nargs="*", metavar="SCOPE", help=f"new: what it may do: {', '.join(SCOPES)}")
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Run the command."""
    if args.command == "new":
        return _make(args)
    if args.name is not None:
        args.refuse("list takes no name.")
    return _list(load_settings(), as_json=args.json)


def _make(args: argparse.Namespace) -> int:
    if args.name is None or not args.scopes:
        args.refuse(f"new takes a name and scopes: voiceagent api-keys new reporting read   (of {', '.join(SCOPES)})")
    try:
        secret, key = new_key(args.name, args.scopes)
    except ValueError as error:
        args.refuse(f"The key {error}.")
    if args.json:
        print(json.dumps({"name": key.name, "secret": secret, "entry": key.entry}))
        return 0
    print(f"For the client, shown this once:   Authorization: Bearer {secret}")
    print(f"For the server, one of API_KEYS:   {key.entry}")
    return 0


def _list(settings: Settings, *, as_json: bool) -> int:
    keys = [(key.name, [scope for scope in SCOPES if scope in key.scopes]) for key in settings.keys_of_api]
    if settings.api_key is not None:
        keys.insert(0, ("API_KEY", ["admin"]))
    if as_json:
        print(json.dumps([{"name": name, "scopes": scopes} for name, scopes in keys]))
    elif not keys:
        print("No key is set. Make one with `voiceagent api-keys new NAME SCOPE…`, or set API_KEY.")
    else:
        rows = [(name, " ".join(scopes)) for name, scopes in keys]
        print("\n".join(table_lines(("NAME", "SCOPES"), rows, Colors(sys.stdout))))
    return 0
