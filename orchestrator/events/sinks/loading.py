"""Loads the sinks of the user's that the setting `EVENTS_SINK` names."""

import inspect
from typing import cast

from orchestrator.error_location import described
from orchestrator.errors import BadSetting
from orchestrator.events.sinks.sink import Sink
from orchestrator.object_loading import description_of, load_object
from orchestrator.settings import Settings

METHODS = {"deliver": "async def deliver(self, event)", "close": "async def close(self)"}


def load_sink(name: str, settings: Settings) -> Sink:
    """Return an instance of the class that `name` (`package.module:Class`) names.

    Call its constructor with `settings=` if it has such a parameter, else without arguments. The current directory is
    importable. Raise `BadSetting`.
    """
    found = load_object(name, "EVENTS_SINK")
    if not isinstance(found, type):
        raise BadSetting(f"EVENTS_SINK={name}: {description_of(found)} is not a class. Use package.module:Class.")
    missing = [how for method, how in METHODS.items() if not inspect.iscoroutinefunction(getattr(found, method, None))]
    if missing:
        raise BadSetting(f"EVENTS_SINK={name}: {description_of(found)} lacks {' and '.join(missing)}.")
    return _built(name, found, settings)


def _built(name: str, found: type, settings: Settings) -> Sink:
    try:
        takes_settings = "settings" in inspect.signature(found).parameters
        return cast(Sink, found(settings=settings) if takes_settings else found())
    except Exception as error:  # whatever the user's code raises
        raise BadSetting(f"EVENTS_SINK={name}: {described(error)}.") from error
