"""The routes of the API."""

from starlette.routing import Route

from web.api.calls import delete_call, list_calls, show_call
from web.api.endpoint import guarded
from web.api.events import drop_event, list_call_events, list_events, replay_event, resume_sink, retry_sink, show_event
from web.api.outbound import place_call
from web.api.records import list_records, show_record
from web.api.rollout import change_rollout, show_rollout
from web.api.turns import post_turn

PREFIXES = ("/calls", "/events", "/records", "/rollout", "/sinks")
"""What begins the paths of the API: its errors are JSON."""

routes = [
    Route("/calls", guarded(list_calls), methods=["GET"]),
    Route("/calls", guarded(place_call), methods=["POST"]),
    Route("/calls/{call_sid}", guarded(show_call), methods=["GET"]),
    Route("/calls/{call_sid}", guarded(delete_call), methods=["DELETE"]),
    Route("/calls/{call_sid}/turns", guarded(post_turn), methods=["POST"]),
    Route("/events", guarded(list_events), methods=["GET"]),
    Route("/events/{call_sid}", guarded(list_call_events), methods=["GET"]),
    Route("/events/{call_sid}/{position}", guarded(show_event), methods=["GET"]),
    Route("/events/{call_sid}/{position}", guarded(drop_event), methods=["DELETE"]),
    Route("/events/{call_sid}/{position}/replay", guarded(replay_event), methods=["POST"]),
    Route("/sinks/{sink}/retry", guarded(retry_sink), methods=["POST"]),
    Route("/sinks/{sink}/resume", guarded(resume_sink), methods=["POST"]),
    Route("/rollout", guarded(show_rollout), methods=["GET"]),
    Route("/rollout/{command}", guarded(change_rollout), methods=["POST"]),
    Route("/records", guarded(list_records), methods=["GET"]),
    Route("/records/{call_sid}", guarded(show_record), methods=["GET"]),
]
