"""pydantic-ai's own spans of requests to models, while traces are on: without anything that was said."""

from functools import cache
from typing import Literal

from pydantic_ai.models.instrumented import InstrumentationSettings

from orchestrator import tracing


def instrumentation() -> InstrumentationSettings | Literal[False]:
    """Return how requests are instrumented; False while traces are off."""
    return _settings() if tracing.is_on() else False


@cache
def _settings() -> InstrumentationSettings:
    return InstrumentationSettings(include_content=False, include_model_request_parameters=False)
