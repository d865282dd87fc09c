"""`python -m web.processes PLAN`: the supervisor of several web processes. `web.processes.launch` starts it."""

import os
import sys

from orchestrator.logs import configure_logging
from web.processes.plan import plan_from
from web.processes.supervisor import Supervisor

if __name__ == "__main__":
    plan = plan_from(sys.argv[1])
    configure_logging(plan, "web")
    os._exit(Supervisor(plan).run())  # at once: while Python ends, one more signal would give another exit code
