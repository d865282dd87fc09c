"""The routes of the API."""

from starlette.routing import Route

from orchestrator.api_keys.key import Scope
from web.api.calls import delete_call, show_call
from web.api.dead_letters import drop_dead_letter, list_dead_letters, run_dead_letter, show_dead_letter
from web.api.endpoint import ApiCall, guarded
from web.api.events import drop_event, list_call_events, list_events, replay_event, resume_sink, retry_sink, show_event
from web.api.history import show_history
from web.api.incidents import list_findings, list_incidents
from web.api.live import follow_all, follow_call, list_calls, show_overview
from web.api.outbound import place_call
from web.api.processes import drain_worker, list_processes
from web.api.records import list_records, show_record
from web.api.rollout import change_rollout, show_rollout
from web.api.signals import hang_up, say, send_signal, transfer
from web.api.turns import post_turn

PREFIXES = (
    "/calls", "/dead-letters", "/events", "/findings", "/history", "/incidents", "/overview", "/processes",
    "/records", "/rollout", "/session", "/sinks", "/workers",
)  # fmt: skip
"""What begins the paths of the API: its errors are JSON."""

_TABLE: tuple[tuple[str, str, ApiCall, Scope], ...] = (
    ("GET", "/calls", list_calls, "read"),
    ("POST", "/calls", place_call, "dial"),
    ("GET", "/calls/{call_sid}", show_call, "read"),
    ("GET", "/calls/{call_sid}/live", follow_call, "read"),
    ("DELETE", "/calls/{call_sid}", delete_call, "control"),
    ("POST", "/calls/{call_sid}/turns", post_turn, "converse"),
    ("POST", "/calls/{call_sid}/signals", send_signal, "control"),
    ("POST", "/calls/{call_sid}/say", say, "control"),
    ("POST", "/calls/{call_sid}/transfer", transfer, "control"),
    ("POST", "/calls/{call_sid}/hang-up", hang_up, "control"),
    ("GET", "/overview", show_overview, "read"),
    ("GET", "/live", follow_all, "read"),
    ("GET", "/dead-letters", list_dead_letters, "read"),
    ("GET", "/dead-letters/{call_sid}/{turn_id}", show_dead_letter, "read"),
    ("DELETE", "/dead-letters/{call_sid}/{turn_id}", drop_dead_letter, "admin"),
    ("POST", "/dead-letters/{call_sid}/{turn_id}/run", run_dead_letter, "admin"),
    ("GET", "/events", list_events, "read"),
    ("GET", "/events/{call_sid}", list_call_events, "read"),
    ("GET", "/events/{call_sid}/{position}", show_event, "read"),
    ("DELETE", "/events/{call_sid}/{position}", drop_event, "admin"),
    ("POST", "/events/{call_sid}/{position}/replay", replay_event, "admin"),
    ("POST", "/sinks/{sink}/retry", retry_sink, "admin"),
    ("POST", "/sinks/{sink}/resume", resume_sink, "admin"),
    ("GET", "/findings", list_findings, "read"),
    ("GET", "/incidents", list_incidents, "read"),
    ("GET", "/processes", list_processes, "read"),
    ("POST", "/workers/{worker_id}/drain", drain_worker, "admin"),
    ("GET", "/rollout", show_rollout, "read"),
    ("POST", "/rollout/{command}", change_rollout, "admin"),
    ("GET", "/history", show_history, "read"),
    ("GET", "/records", list_records, "read"),
    ("GET", "/records/{call_sid}", show_record, "read"),
)
routes = [Route(path, guarded(call, scope), methods=[method]) for method, path, call, scope in _TABLE]
SCOPES: dict[tuple[str, str], Scope] = {(method, path): scope for method, path, _, scope in _TABLE}
"""What a key must be allowed for a method of a path."""
