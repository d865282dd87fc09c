"""`python -m web`: the ingress, in one process or in `WEB_PROCESSES`.

Exits with 0 after SIGTERM at any time, with 2 for a bad setting.
"""

import sys

from web.program import main

if __name__ == "__main__":
    sys.exit(main("web"))
