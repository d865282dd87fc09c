"""Names the server that a command asks: `--url URL` in every command that asks one."""

import argparse
from urllib.parse import urlsplit

from orchestrator.settings import Settings

DEFAULT = "default: http://127.0.0.1:PORT"


def add_url(parser: argparse.ArgumentParser, *, as_word: bool = False) -> None:
    """Add the option `--url`; with `as_word` the URL may also be a word of its own."""
    parser.add_argument("--url", metavar="URL", help=f"the server ({DEFAULT})")
    if as_word:
        parser.add_argument("url_word", nargs="?", metavar="URL", help="the same as --url URL")


def url_in(args: argparse.Namespace, settings: Settings, word: str | None = None) -> str:
    """Return the URL of the server that a command talks to: the one given, or the one on this machine.

    `word` is one given without `--url`. Ends with wrong usage if there are two, or it is none.
    """
    word = word or getattr(args, "url_word", None)
    if word and args.url:
        args.refuse(f"two servers are named, {word} and {args.url}: give one.")
    try:
        return server_url(word or args.url, settings)
    except ValueError:
        args.refuse(f"{word or args.url!r} is no URL of a server: give one such as http://127.0.0.1:8000.")
        raise


def server_url(given: str | None, settings: Settings) -> str:
    """Return `given` as a URL, or that of the server on this machine. Raise ValueError if it names no server."""
    if not given:
        return f"http://127.0.0.1:{settings.port}"
    url = given if "://" in given else f"http://{given}"
    parts = urlsplit(url)
    is_whole = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    if not is_whole or parts.query or parts.fragment or " " in url or not url.isprintable():
        raise ValueError("no URL of a server")
    return url.rstrip("/")


def names_server(word: str) -> bool:
    """True if a word, where a call or a server may be named, is a server: it has a scheme, a port or a dot, or is
    localhost. A SID may be anything else, such as `demo-1` or `v2:T02…`."""
    host = word.partition("/")[0]
    _, colon, port = host.rpartition(":")
    has_port = bool(colon) and port.isascii() and port.isdecimal()
    is_name = host.lower() == "localhost" or ("." in host and not colon)
    return "://" in word or word.startswith("[") or has_port or is_name
