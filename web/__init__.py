"""The ingress: it talks to the telephone provider, and to the API's clients."""

from orchestrator.late_imports import import_when_used

import_when_used("uvicorn")  # of the package we take the server, not its command line with click and multiprocessing
