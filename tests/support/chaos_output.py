"""What `voiceagent chaos --json` prints."""

import json
from typing import Any

Record = dict[str, Any]


def read_chaos(output: str) -> tuple[list[Record], Record]:
    """The faults as they were printed, and the outcome."""
    *faults, outcome = (json.loads(line) for line in output.splitlines())
    assert {fault.pop("event") for fault in faults} <= {"fault"}
    assert outcome["event"] == "outcome"
    return faults, outcome
