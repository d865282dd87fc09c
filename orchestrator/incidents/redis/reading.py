"""Reads incidents as Redis has them. Others can write there: what makes no sense is left out."""

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, cast, get_args

from orchestrator.incidents.incident import MOST_LISTED, How, Incident, IncidentKind, Noticed, ProcessName, Report
from orchestrator.incidents.incident_log import Known
from orchestrator.incidents.message import sentence_of
from orchestrator.redis.damage import text_of
from orchestrator.redis.stored_objects import stored_object

LONGEST_TEXT = 400
LONGEST_SID = 256
LATEST = 32_503_680_000.0
"""No time of ours is later: the year 3000."""


def stored_noticed(noticed: Noticed) -> str:
    """Return a notice as it is stored."""
    return json.dumps(
        {
            "c": noticed.call_sid, "t": noticed.turn_id, "how": noticed.how, "ms": round(noticed.ms, 1),
            "at": round(noticed.at, 3), "p": noticed.process, "by": noticed.noticed_by,
        }
    )  # fmt: skip


def noticed_in(texts: Iterable[bytes | str]) -> list[Noticed]:
    """Return the notices that are stored so."""
    return [it for text in texts if (it := _noticed(text)) is not None]


def _noticed(text: bytes | str) -> Noticed | None:
    try:
        fields = json.loads(text)
        json.dumps(fields, ensure_ascii=False).encode()  # a half of a surrogate pair could not be passed on
        call_sid, turn_id, how = fields["c"], fields["t"], fields["how"]
        ms, at = number_in(fields["ms"]), number_in(fields["at"])
        process, noticed_by = (str(fields.get(name) or "")[:LONGEST_SID] for name in ("p", "by"))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    is_named = (
        isinstance(call_sid, str) and isinstance(turn_id, str) and max(map(len, (call_sid, turn_id))) <= LONGEST_SID
    )
    if how not in get_args(How) or ms is None or at is None or not is_named:
        return None
    return Noticed(call_sid, turn_id, cast(How, how), ms, at, process, noticed_by=noticed_by)


def read_incident(incident_id: str, fields: object, noticed: object) -> Incident | None:
    """Return the incident with these fields and notices; None if that is none."""
    if not isinstance(fields, Mapping) or not fields:
        return None
    texts = {text_of(name): text_of(value) for name, value in fields.items()}
    kind, at = texts.get("kind", ""), number_in(texts.get("at"))
    about = stored_object(texts.get("about", ""))
    if kind not in get_args(IncidentKind) or at is None:
        return None
    calls = noticed_in(noticed.values()) if isinstance(noticed, Mapping) else []
    until, process, detail = number_in(texts.get("until")), ProcessName.of(about.get("process")), about.get("detail")
    report = Report("", cast(IncidentKind, kind), at, until, process, str(detail or "")[:LONGEST_TEXT])
    said = sentence_of(report)
    return Incident(
        incident_id[:LONGEST_TEXT],
        report.kind,
        at,
        until,
        said.message,
        process,
        tuple(sorted(calls, key=lambda each: (each.at, each.call_sid))[:MOST_LISTED]),
        max(int(number_in(texts.get("count")) or 0), len(calls)),
        number_in(texts.get("worst")) or 0.0,
        said.code,
        said.params,
    )


def known_of(incident_id: str, at: float | None, over: str) -> Known | None:
    """Return what the index says of an incident; None if there is none."""
    if not incident_id or at is None or number_in(at) is None:
        return None
    return Known(incident_id, at, number_in(over))


def number_in(value: Any) -> float | None:
    """Return the number or time that is stored so; None for anything else."""
    try:
        number = float(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) and 0 <= number < LATEST else None
