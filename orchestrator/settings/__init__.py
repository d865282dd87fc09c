"""The settings: one frozen object, read from the environment once and validated with all complaints at once."""

from orchestrator.settings.model import LONGEST_TTL_SECONDS, Settings, given_variables, load_settings

__all__ = ["LONGEST_TTL_SECONDS", "Settings", "given_variables", "load_settings"]
