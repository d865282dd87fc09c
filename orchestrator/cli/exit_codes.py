"""How commands end: the exit codes of each, in one form for the help of all."""

from collections.abc import Mapping

USUAL: Mapping[int, str] = {0: "done", 1: "failed: the message says why"}
"""Of a command whose module has no `EXIT_CODES`."""
OF_ALL: Mapping[int, str] = {2: "wrong usage, or a setting that will not do", 130: "ended by Ctrl-C"}
"""Of every command, where its `EXIT_CODES` say nothing else."""


def exit_code_lines(codes: Mapping[int, str]) -> str:
    """Return what the help of a command says of its exit codes."""
    rows = sorted({**OF_ALL, **codes}.items())
    return "\n".join(["exit codes:", *(f"  {code:<5}{meaning}" for code, meaning in rows)])
