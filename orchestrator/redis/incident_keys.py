"""The Redis keys of incidents and findings, in one slot. Like `orchestrator.redis.keys`: nothing else spells one."""

INCIDENT_TIMES = "{voiceagent:incidents}:incident-times"
"""Sorted set: id of an incident → when it began (seconds)."""
INCIDENT_SUBJECTS = "{voiceagent:incidents}:incident-subjects"
"""Hash: what an incident is about → the id of the latest one, `|`, and when it was over."""
LOOSE_NOTICES = "{voiceagent:incidents}:loose-notices"
"""List: which calls noticed that something was wrong, as JSON, if it was not known what."""
FINDINGS = "{voiceagent:incidents}:findings"
"""Hash: id of a finding → since when it is there and when it was last seen."""
INCIDENT_WATCH = "{voiceagent:incidents}:incident-watch"
"""String: a process has looked for lost ones, so that the others need not for a moment."""


def incident(incident_id: str) -> str:
    """Hash: one incident: when, of what kind, about which process, how many calls noticed it."""
    return "{voiceagent:incidents}:" + incident_id + ":incident"


def noticed(incident_id: str) -> str:
    """Hash: call SID, turn id and how → what that call noticed of the incident, as JSON."""
    return "{voiceagent:incidents}:" + incident_id + ":noticed"
