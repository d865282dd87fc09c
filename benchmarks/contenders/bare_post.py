"""A Starlette application that reads what the product's routes read and answers as they do, and does nothing between.

It is served as the product's web process is.
"""

import os
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

TWIML = (
    '<?xml version="1.0" encoding="UTF-8"?><Response><Gather action="/twilio/turn/{}" actionOnEmptyResult="true"'
    ' input="dtmf speech" method="POST" speechTimeout="auto" timeout="5" /></Response>'
)


async def answer_json(request: Request) -> JSONResponse:
    """Say back which turn it was."""
    fields = await request.json()
    return JSONResponse({"turn_id": fields["turn_id"], "outcome": "replied", "reply": {"text": "", "actions": []}})


async def answer_form(request: Request) -> Response:
    """Read the form, and answer with a document of the size of a turn's."""
    form = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
    return Response(TWIML.format(len(form["SpeechResult"])), media_type="application/xml")


app = Starlette(
    routes=[
        Route("/json", answer_json, methods=["POST"]),
        Route("/form", answer_form, methods=["POST"]),
    ]
)

if __name__ == "__main__":
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
        timeout_keep_alive=75,
    )
