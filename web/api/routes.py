"""The routes of the API."""

from starlette.routing import Route

from web.api.calls import delete_call, list_calls, show_call
from web.api.endpoint import guarded
from web.api.events import drop_event, list_call_events, list_events, replay_event, resume_sink, retry_sink, show_event
from web.api.outbound import place_call
from web.api.records import list_records, show_record
from web.api.rollout import change_rollout, show_rollout
from web.api.signals import hang_up, say, send_signal, transfer
from web.api.turns import post_turn

PREFIXES = ("/calls", "/events", "/records", "/rollout", "/sinks")
"""What begins the paths of the API: its errors are JSON."""

routes = [
    Route("/calls", guarded(list_calls, "read"), methods=["GET"]),
    Route("/calls", guarded(place_call, "dial"), methods=["POST"]),
    Route("/calls/{call_sid}", guarded(show_call, "read"), methods=["GET"]),
    Route("/calls/{call_sid}", guarded(delete_call, "control"), methods=["DELETE"]),
    Route("/calls/{call_sid}/turns", guarded(post_turn, "converse"), methods=["POST"]),
    Route("/calls/{call_sid}/signals", guarded(send_signal, "control"), methods=["POST"]),
    Route("/calls/{call_sid}/say", guarded(say, "control"), methods=["POST"]),
    Route("/calls/{call_sid}/transfer", guarded(transfer, "control"), methods=["POST"]),
    Route("/calls/{call_sid}/hang-up", guarded(hang_up, "control"), methods=["POST"]),
    Route("/events", guarded(list_events, "read"), methods=["GET"]),
    Route("/events/{call_sid}", guarded(list_call_events, "read"), methods=["GET"]),
    Route("/events/{call_sid}/{position}", guarded(show_event, "read"), methods=["GET"]),
    Route("/events/{call_sid}/{position}", guarded(drop_event, "admin"), methods=["DELETE"]),
    Route("/events/{call_sid}/{position}/replay", guarded(replay_event, "admin"), methods=["POST"]),
    Route("/sinks/{sink}/retry", guarded(retry_sink, "admin"), methods=["POST"]),
    Route("/sinks/{sink}/resume", guarded(resume_sink, "admin"), methods=["POST"]),
    Route("/rollout", guarded(show_rollout, "read"), methods=["GET"]),
    Route("/rollout/{command}", guarded(change_rollout, "admin"), methods=["POST"]),
    Route("/records", guarded(list_records, "read"), methods=["GET"]),
    Route("/records/{call_sid}", guarded(show_record, "read"), methods=["GET"]),
]
