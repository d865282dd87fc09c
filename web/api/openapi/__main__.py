"""`python -m web.api.openapi > docs/openapi.json`: the description of the API as a file (`make openapi`)."""

import sys

from web.api.openapi.routes import as_file

sys.stdout.write(as_file())
