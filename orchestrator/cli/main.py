"""The command `voiceagent`. Each sub-command is a module of its own, imported when it is asked for."""

import argparse
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version

from orchestrator.cli.exit_codes import USUAL, exit_code_lines
from orchestrator.error_location import described
from orchestrator.errors import BadSetting, VoiceAgentError

COMMANDS = {
    "dev": "answer calls here: web, workers and an embedded Redis in one terminal",
    "call": "be the caller: talk to an agent from this terminal",
    "calls": "list the live calls, or show what was said in one",
    "records": "search the archive of calls that are over, show one, export them, or make its tables",
    "erase": "erase a call everywhere: Redis, the database, what sinks have not got yet",
    "load": "be many callers: load a server, and audit that no turn was lost or doubled",
    "chaos": "break a deployment of your own at random while callers call, and say what they noticed",
    "dead": "list the dead letters (turns that failed for good), show one, or run it again",
    "events": "list the events that no sink has got yet, deliver dead ones again, or drop them",
    "top": "watch health, processes and calls live in this terminal",
    "workers": "list the workers and ingresses: which live, what each runs, and how it is",
    "drain": "let workers finish their turns and end, so that new ones take their place",
    "rollout": "show the versions of the workers, and say which of them gets new calls",
    "routes": "show which agent answers which number, now or at another time",
    "encryption": "make an encryption key, show what lies under which key, or encrypt everything anew",
    "api-keys": "make a key of the API, or list those that are set",
    "completion": "make your shell complete these commands",
    "doctor": "examine Redis, the workers and the settings, and say what to change",
}
"""Name → summary. Its module has `add_arguments(parser)`, `run(args) -> exit code`, and `EXIT_CODES` that it may end
with beside those of all."""
MODULES = {"dead": "dead_letters", "api-keys": "api_keys"}
"""Name → module in `orchestrator.cli`, where that has another name."""
ALIASES = {"dead": ["dead-letters"]}

COMPLETING = "_ARGCOMPLETE"
"""The variable by which a shell asks for completions."""

EPILOG = """Start with `voiceagent dev`, then `voiceagent call` in a second terminal.
`voiceagent COMMAND --help` tells more. Settings come from the environment and from .env."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command. Return its exit code. Whatever happens is told in a sentence, never in a traceback."""
    words = list(sys.argv[1:] if argv is None else argv)
    if COMPLETING in os.environ:
        return _complete()
    _write_anything()
    try:
        try:
            return _run(words)
        finally:
            sys.stdout.flush()  # here, where a reader who has gone is expected
    except BadSetting as error:
        return _complain(error, 2)
    except VoiceAgentError as error:
        return _complain(error, 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader has gone: `voiceagent calls | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or the interpreter complains when it flushes
        return 1
    except Exception as error:
        return _complain(_fault(error), 1)


def _run(words: Sequence[str]) -> int:
    parser = parser_for(words)
    if not words:
        parser.print_help()
        return 0
    for word in words:
        if any("\ud800" <= letter <= "\udfff" for letter in word):  # how Python passes on bytes that are no text
            parser.error(f"{word!a} is not UTF-8, so it names nothing.")
    args, unknown = parser.parse_known_args(words)
    if unknown:  # reported by the command's own parser, with its usage: argparse leaves it to the outer one
        refuse = parser.error if words[0] in unknown else args.refuse
        refuse(f"unrecognized arguments: {' '.join(unknown)}")
    return int(args.run(args))


def _write_anything() -> None:
    """Have letters that the terminal's encoding lacks replaced: they are no reason to stop."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            with suppress(OSError):  # a stream that cannot tell where it stands
                stream.reconfigure(errors="replace")


def _complete() -> int:
    """Tell a shell how the words of its command line may go on (`voiceagent completion`)."""
    import argcomplete
    from argcomplete.completers import SuppressCompleter

    parser = parser_for(os.environ.get("COMP_LINE", "").split()[1:])
    no_files = SuppressCompleter()  # no command takes one
    argcomplete.autocomplete(parser, always_complete_options="long", default_completer=no_files)  # ends the process
    return 0


def parser_for(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for a command line. Only the command it names has its arguments."""
    parser = argparse.ArgumentParser(
        prog="voiceagent",
        description="Answers phone calls with software agents.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"voiceagent {version('voiceagent')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    wanted = next((word for word in words if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        aliases = ALIASES.get(name, [])
        is_wanted = wanted in (name, *aliases)
        module = import_module(f"orchestrator.cli.{MODULES.get(name, name)}") if is_wanted else None
        command = commands.add_parser(
            name,
            aliases=aliases,
            help=summary,
            description=(module and module.__doc__) or summary,
            epilog=exit_code_lines(getattr(module, "EXIT_CODES", USUAL)),
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if module is not None:
            module.add_arguments(command)
            command.set_defaults(run=module.run, refuse=command.error)
    return parser


def _fault(error: Exception) -> str:
    """Return what is said of an error of ours: what it is and where, as no traceback is shown."""
    from orchestrator.cli.transcript import printable  # imported late: commands are to start at once

    return f"{printable(described(error))}. This is a fault of the command: please report it."


def _complain(error: Exception | str, exit_code: int) -> int:
    print(f"voiceagent: {error}", file=sys.stderr)
    return exit_code


if __name__ == "__main__":
    sys.exit(main())
