"""The calls of the scripts about incidents and findings. See `orchestrator.redis.script_call`."""

from collections.abc import Sequence

from orchestrator.incidents.incident import KEPT_SECONDS, MOST_INCIDENTS, MOST_LISTED
from orchestrator.redis import incident_keys
from orchestrator.redis.script_call import ScriptCall, flag, lua_script, text

MOST_FINDINGS = 200


def note_incident(
    *,
    subject: str,
    new_id: str,
    kind: str,
    about: str,
    at: float,
    until: float | None,
    is_sure: bool,
    touch_seconds: float,
    now: float,
) -> ScriptCall[str]:
    """Note what was seen of an incident. Return its id: that of the one which this report belongs to, or `new_id`.

    Reports of one subject that are more than `touch_seconds` apart are two incidents. A report that `is_sure` says what
    the incident is; another one does only if it is the first.
    """
    return ScriptCall(
        lua_script("note_incident"),
        [incident_keys.INCIDENT_TIMES, incident_keys.INCIDENT_SUBJECTS],
        [
            subject, new_id, kind, about, f"{at:.3f}", "" if until is None else f"{until:.3f}", f"{now:.3f}",
            KEPT_SECONDS, MOST_INCIDENTS, touch_seconds, flag(is_sure),
        ],
        text,
    )  # fmt: skip


def note_noticed(*, incident_id: str, name: str, noticed: str, ms: float) -> ScriptCall[bool]:
    """Note that a turn of a call, `name`, has noticed an incident. False: it was noted before, or there is none."""
    return ScriptCall(
        lua_script("note_noticed"),
        [incident_keys.incident(incident_id), incident_keys.noticed(incident_id)],
        [name, noticed, f"{ms:.1f}", MOST_LISTED, KEPT_SECONDS],
        bool,
    )


def keep_findings(*, ids: Sequence[str], now: float, gap: float) -> ScriptCall[list[float]]:
    """Say that the findings with these `ids` are there, and return since when: a gap of `gap` seconds ends one."""
    return ScriptCall(
        lua_script("keep_findings"),
        [incident_keys.FINDINGS],
        [f"{now:.3f}", gap, MOST_FINDINGS, *ids],
        lambda reply: [float(each) for each in reply],
    )
