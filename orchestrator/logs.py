"""Logging: one event a line, readable (`LOG_FORMAT=text`) or for machines (`LOG_FORMAT=json`)."""

import logging
import sys
from typing import Protocol, TextIO

from orchestrator.log_lines import WITHOUT_WORDS, JsonFormatter, TextFormatter, redact
from orchestrator.log_stream import LineHandler

__all__ = ["WITHOUT_WORDS", "configure_logging", "redact"]

# Their INFO lines repeat our own events or help nobody.
_QUIET = {
    "arq": logging.WARNING,
    "arq.worker": logging.WARNING,
    "asyncio": logging.WARNING,
    "httpcore": logging.WARNING,
    "httpcore2": logging.WARNING,
    "httpx": logging.WARNING,
    "httpx2": logging.WARNING,
    "mcp": logging.ERROR,
    "twilio": logging.WARNING,
    "uvicorn": logging.WARNING,
    "uvicorn.access": logging.WARNING,
    "uvicorn.error": logging.WARNING,
    "websockets": logging.WARNING,
}


class LogSettings(Protocol):
    """The settings that logging reads. A supervisor logs without importing the others."""

    @property
    def log_level(self) -> str:
        """The lowest level that is logged."""

    @property
    def log_format(self) -> str:
        """`text` or `json`."""


def configure_logging(settings: LogSettings, process_name: str, stream: TextIO | None = None) -> None:
    """Send the logs of this process to `stream` (standard error) as the settings say.

    `process_name` (`web`, `worker`) is in every JSON line. A second call replaces the first. Pass uvicorn
    `log_config=None`, so that it does not change this.
    """
    handler = LineHandler(stream or sys.stderr)
    if settings.log_format == "json":
        handler.setFormatter(JsonFormatter(process_name))
    else:
        handler.setFormatter(TextFormatter(colour=_is_terminal(handler.stream)))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level)
    for name, level in _QUIET.items():
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(max(level, root.level))


def _is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False
