"""A Starlette application that reads JSON and answers with JSON, served as the product's web process is."""

import os

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def answer(request: Request) -> JSONResponse:
    """Say back which turn it was."""
    fields = await request.json()
    return JSONResponse({"turn_id": fields["turn_id"], "outcome": "replied", "reply": {"text": "", "actions": []}})


app = Starlette(routes=[Route("/", answer, methods=["POST"])])

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
