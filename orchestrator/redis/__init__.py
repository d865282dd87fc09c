"""Redis: connections, keys, and scripts."""

from orchestrator.late_imports import import_when_used

import_when_used("jwt")  # redis-py imports it, and thereby cryptography, for logins with tokens; a fifth of a start
