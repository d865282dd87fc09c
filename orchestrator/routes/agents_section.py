"""The agents of a file of routes: `[agents.NAME]`."""

import json
import re
from collections.abc import Callable
from typing import Any, get_args

from pydantic import ValidationError

from orchestrator.object_loading import is_object_name
from orchestrator.routes.agent_entry import OWN_SETTINGS, AgentEntry
from orchestrator.routes.complaints import Complaints, Table
from orchestrator.routes.voice_profile import VoiceProfile
from orchestrator.settings import Settings
from orchestrator.settings.voice_settings import hint_text, language_tag, model_name, provider_name, voice_name

NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What agents and tenants may be called: it is in URLs, in Redis keys and in what people type."""
SAY_NAME = "must have 1 to 64 letters, digits and . _ -"
BUILT_IN = ("echo", "llm", "receptionist")
_VOICE: dict[str, Callable[[str], str]] = {
    "language": language_tag,
    "voice": voice_name,
    "tts_provider": provider_name,
    "transcription_provider": provider_name,
    "speech_model": model_name,
}
KEYS = frozenset({"agent", "like", "channel", "settings", "hints", "profanity_filter", *_VOICE})
CHANNELS = get_args(Settings.model_fields["voice_channel"].annotation)


def read_agents(section: Any, complaints: Complaints) -> dict[str, AgentEntry]:
    """Return the agents by their names. A wrong one is there, too, so that what names it is not wrong as well."""
    top = Table("agents", section, complaints)
    tables = {name: Table(f"agents.{name}", fields, complaints) for name, fields in top.fields.items()}
    for name, table in tables.items():
        if not NAME.fullmatch(name):
            complaints.add(table, "", f"the name of an agent {SAY_NAME}")
    return {name: _entry(name, tables) for name in tables}


def _entry(name: str, tables: dict[str, Table]) -> AgentEntry:
    own = tables[name]
    own.check_keys(KEYS)
    fields: dict[str, Any] = {}
    for table in reversed(_line_of_descent(name, tables)):
        fields |= table.fields
    table = Table(own.path, fields, _Own(own) if fields is not own.fields else own.complaints)
    return AgentEntry(
        name=name,
        agent=_agent(table),
        channel=table.one_of("channel", CHANNELS, "channel"),
        voice=_voice(table),
        settings=_settings(table),
        line=own.complaints.line_of(own, "agent"),
    )


class _Own(Complaints):
    """Complains of an agent's own fields alone: what it takes from another is wrong there."""

    def __init__(self, own: Table) -> None:
        self._own = own

    def add(self, table: Table, key: str, why: str) -> None:
        if key in self._own.fields or key == "agent":
            self._own.complaints.add(self._own, key, why)


def _line_of_descent(name: str, tables: dict[str, Table]) -> list[Table]:
    """Return the table of the agent, of the one that it is like, and so on."""
    found, seen = [tables[name]], [name]
    while (like := found[-1].fields.get("like")) is not None:
        table = found[-1]
        if not isinstance(like, str) or like not in tables:
            if table is found[0]:
                table.one_of("like", tables, "agent")
            break
        if like in seen:
            if like == name:
                table.complaints.add(found[0], "like", f"{name!r} is like itself in the end")
            break
        seen.append(like)
        found.append(tables[like])
    return found


def _agent(table: Table) -> str:
    value = table.text("agent")
    if value is None:
        if "agent" not in table.fields:
            table.complaints.add(table, "agent", f"is missing: {', '.join(BUILT_IN)}, or package.module:object")
    elif value not in BUILT_IN and not (is_object_name(value) and ":" in value):
        table.complaints.add(
            table, "agent", f"{value[:100]!r} is none: {', '.join(BUILT_IN)}, or package.module:object"
        )
    return value or ""


def _voice(table: Table) -> VoiceProfile:
    found: dict[str, Any] = {}
    for key, check in _VOICE.items():
        if (value := table.text(key)) is not None:
            try:
                found[key] = check(value)
            except ValueError as error:
                table.complaints.add(table, key, str(error))
    profanity_filter = table.fields.get("profanity_filter")
    if profanity_filter is not None and not isinstance(profanity_filter, bool):
        table.complaints.add(table, "profanity_filter", "must be true or false")
        profanity_filter = None
    return VoiceProfile(**found, hints=_hints(table), profanity_filter=profanity_filter)


def _hints(table: Table) -> tuple[str, ...]:
    value = table.fields.get("hints", [])
    if not isinstance(value, list) or not all(isinstance(hint, str) and hint.strip() for hint in value):
        table.complaints.add(table, "hints", 'must be a list of words: ["appointment", "check-up"]')
        return ()
    try:
        hint_text(",".join(value))
    except ValueError as error:
        table.complaints.add(table, "hints", str(error))
        return ()
    return tuple(hint.strip() for hint in value)


def _settings(table: Table) -> dict[str, Any]:
    value = table.fields.get("settings", {})
    if not isinstance(value, dict):
        table.complaints.add(table, "settings", 'must be a table: { clinic = "north" }')
        return {}
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        table.complaints.add(table, "settings", "must hold texts, numbers, lists and tables: write dates as texts")
    if table.fields.get("agent") in BUILT_IN:
        _check_own(table, value)
    return value


def _check_own(table: Table, settings: dict[str, Any]) -> None:
    """Complain of what a built-in agent cannot take in the place of the environment's."""
    for name in OWN_SETTINGS:
        if name in settings:
            try:
                Settings.__pydantic_validator__.validate_assignment(Settings.model_construct(), name, settings[name])
            except ValidationError as error:
                why = error.errors()[0]["msg"].removeprefix("Value error, ")
                table.complaints.add(table, "settings", f"{name}: {why}")
