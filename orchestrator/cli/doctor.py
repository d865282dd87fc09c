"""Examine Redis, the workers and the settings, and say what to change.

Connects as web and workers do, and reads only. Each line is a finding; an arrow says what to do about it. The
Redis of your settings is examined, or that of `voiceagent dev` in this directory.
"""

import argparse
import asyncio
import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict, replace

from orchestrator.cli.colors import Colors
from orchestrator.cli.json_output import add_json, print_json
from orchestrator.cli.redis_target import with_used_redis
from orchestrator.cli.server_argument import add_url, url_in
from orchestrator.cli.web_status import asked_web
from orchestrator.doctor.diagnosis import diagnose
from orchestrator.doctor.finding import Finding, exit_code
from orchestrator.doctor.inspection import inspect_redis
from orchestrator.doctor.mcp import inspect_mcp_servers, judge_mcp_servers
from orchestrator.doctor.sink_inspection import inspect_sinks
from orchestrator.doctor.text_messages import inspect_number, judge_text_messages
from orchestrator.doctor.web import judge_web
from orchestrator.masking import masked
from orchestrator.settings import Settings, given_variables, load_settings

MARKS = {"ok": ("✓", "green"), "note": ("·", "blue"), "warning": ("!", "yellow"), "problem": ("✗", "red")}
VERDICTS = ("All is well.", "Calls are answered; some things should be changed.", "Some things must be changed.")
STATUSES = ("healthy", "warnings", "problems")
INDENT = 15
WIDEST = 110
EXIT_CODES = {
    0: "all is well",
    1: "there are warnings",
    2: "there are problems, or wrong usage",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `voiceagent doctor`."""
    add_url(parser, as_word=True)
    add_json(parser)


def run(args: argparse.Namespace) -> int:
    """Examine and print. Return 0, 1 with warnings, 2 with problems."""
    settings = with_used_redis(load_settings())
    found = asyncio.run(_examined(settings, url_in(args, settings)))
    findings = [replace(each, message=masked(each.message), advice=masked(each.advice)) for each in found]
    code = exit_code(findings)
    if args.json:
        print_json({"status": STATUSES[code], "findings": [asdict(finding) for finding in findings]})
    else:
        print(*page(findings, Colors(sys.stdout)), sep="\n")
    return code


async def _examined(settings: Settings, url: str) -> list[Finding]:
    web = await asked_web(url, settings)
    facts = await inspect_redis(settings, web.listener) if settings.use_redis else None
    sinks = await inspect_sinks(settings)
    servers = await inspect_mcp_servers(settings)
    number = await inspect_number(settings)
    return [
        *diagnose(settings, facts, given_variables(), sinks),
        *judge_mcp_servers(settings, servers),
        *judge_text_messages(settings, number),
        *judge_web(web, settings, facts),
    ]


def page(findings: Sequence[Finding], colors: Colors) -> list[str]:
    """Return the findings as lines for a person, the summary last."""
    width = min(shutil.get_terminal_size().columns, WIDEST) - INDENT - 2
    lines = [line for finding in findings for line in _lines(finding, max(30, width), colors)]
    code = exit_code(findings)
    return [*lines, "", colors(VERDICTS[code], "bold", ("green", "yellow", "red")[code])]


def _lines(finding: Finding, width: int, colors: Colors) -> list[str]:
    mark, colour = MARKS[finding.level]
    first, *more = textwrap.wrap(finding.message, width)
    lines = [f"{colors(mark, colour, 'bold')} {colors(f'{finding.check:<{INDENT - 1}}', 'dim')} {first}"]
    lines += [" " * (INDENT + 2) + line for line in more]
    advice = textwrap.wrap(finding.advice, width - 2)
    return lines + [
        " " * INDENT + colors("  → " if number == 0 else "    ", colour) + text for number, text in enumerate(advice)
    ]
