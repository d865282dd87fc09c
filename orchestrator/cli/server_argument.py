"""Names the server that a command asks: `--url URL` in every command that asks one."""

import argparse

from orchestrator.settings import Settings

DEFAULT = "default: http://127.0.0.1:PORT"


def add_url(parser: argparse.ArgumentParser, *, as_word: bool = False) -> None:
    """Add the option `--url`; with `as_word` the URL may also be a word of its own."""
    parser.add_argument("--url", metavar="URL", help=f"the server ({DEFAULT})")
    if as_word:
        parser.add_argument("url_word", nargs="?", metavar="URL", help="the same as --url URL")


def url_in(args: argparse.Namespace, settings: Settings, word: str | None = None) -> str:
    """Return the URL of the server that a command talks to: the one given, or the one on this machine.

    `word` is one given without `--url`. Ends with wrong usage if there are two.
    """
    word = word or getattr(args, "url_word", None)
    if word and args.url:
        args.refuse(f"two servers are named, {word} and {args.url}: give one.")
    given = word or args.url
    if not given:
        return f"http://127.0.0.1:{settings.port}"
    url = given if "://" in given else f"http://{given}"
    return str(url).rstrip("/")


def names_server(word: str) -> bool:
    """True if a word, where a call or a server may be named, is a server: it has a scheme, a port or a dot, or is
    localhost. A SID may be anything else, such as `demo-1` or `v2:T02…`."""
    host = word.partition("/")[0]
    _, colon, port = host.rpartition(":")
    has_port = bool(colon) and port.isascii() and port.isdecimal()
    is_name = host.lower() == "localhost" or ("." in host and not colon)
    return "://" in word or word.startswith("[") or has_port or is_name
