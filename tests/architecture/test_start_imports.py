"""What the programs import and build at their start: time that a call waits for while a process is replaced."""

import json
import subprocess
import sys
from typing import Any

import pytest
from support.source_trees import REPOSITORY

WORKERS = "import workers.program"
WEB = "import web.app, web.server, orchestrator.runtime"
NOT_AT_START = {
    WORKERS: ("cryptography.x509", "jwt.algorithms"),
    WEB: (
        "click", "cryptography.x509", "jwt.algorithms", "redis", "uvicorn.main", "uvicorn.supervisors",
        "web.api.openapi.answers", "web.api.openapi.document", "web.api.openapi.operations", "web.api.openapi.page",
    ),
}  # fmt: skip
EVERY_TURN = (
    "orchestrator.conversation.reply.Reply", "orchestrator.conversation.reply.TurnResult",
    "orchestrator.conversation.state.ConversationState", "orchestrator.conversation.state.TurnRecord",
    "orchestrator.conversation.turn.Turn", "orchestrator.events.event.Event",
)  # fmt: skip
FEW_PROCESSES = {
    WORKERS: ("orchestrator.schedule.item.ActivityItem", "orchestrator.turns.dead_letter.DeadLetter"),
    WEB: (
        "orchestrator.turns.dead_letter.DeadLetter", "web.api.session.SessionKey", "web.api.signal_body.Signal",
        "web.outbound.outbound_call.OutboundCall", "web.twilio.held_turn.HeldTurn",
    ),
}  # fmt: skip
LOADED = "print(json.dumps(sorted(sys.modules)))"
BUILT = """
models = {}
for name in sys.argv[1:]:
    module, _, model = name.rpartition(".")
    models[name] = getattr(sys.modules[module], model).__pydantic_complete__
print(json.dumps(models))
"""


def asked(statement: str, question: str, *names: str) -> Any:
    """Return what an interpreter of its own answers after `statement`."""
    command = [sys.executable, "-c", f"import json, sys\n{statement}\n{question}", *names]
    return json.loads(
        subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=60, check=True).stdout
    )


@pytest.mark.processes
@pytest.mark.parametrize("statement", [WORKERS, WEB], ids=["workers", "web"])
def test_a_start_does_not_import_what_only_some_need(statement: str) -> None:
    assert not set(NOT_AT_START[statement]) & set(asked(statement, LOADED))


@pytest.mark.processes
@pytest.mark.parametrize("statement", [WORKERS, WEB], ids=["workers", "web"])
def test_a_start_builds_the_models_that_every_turn_needs_and_no_call_waits_for_them(statement: str) -> None:
    built = asked(statement, BUILT, *EVERY_TURN, *FEW_PROCESSES[statement])
    assert [name for name in EVERY_TURN if not built[name]] == []
    assert [name for name in FEW_PROCESSES[statement] if built[name]] == []
