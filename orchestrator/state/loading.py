"""Loads the state manager that the setting `STATE_MANAGER` names."""

import inspect

from orchestrator.error_location import described
from orchestrator.errors import BadSetting
from orchestrator.object_loading import description_of, load_object
from orchestrator.settings import Settings
from orchestrator.state.base import StateManagerBase


def load_state_manager(name: str, settings: Settings) -> StateManagerBase:
    """Return the user's manager: an instance of the class that `name` (`package.module:Class`) names.

    Call its constructor with `settings=` if it has such a parameter, else without arguments. The current directory is
    importable. Raise `BadSetting`.
    """
    found = load_object(name, "STATE_MANAGER")
    if not (isinstance(found, type) and issubclass(found, StateManagerBase)):
        raise BadSetting(
            f"STATE_MANAGER={name}: {description_of(found)} is not a subclass of StateManagerBase. "
            "Use package.module:Class."
        )
    return _built(name, found, settings)


def _built(name: str, found: type[StateManagerBase], settings: Settings) -> StateManagerBase:
    arguments = {"settings": settings} if "settings" in inspect.signature(found).parameters else {}
    try:
        return found(**arguments)
    except Exception as error:  # abstract methods left, arguments that we do not have, or what the user's code raises
        raise BadSetting(f"STATE_MANAGER={name}: {described(error)}.") from error
