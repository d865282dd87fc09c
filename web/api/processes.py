"""The processes of the deployment: `GET /processes`, and what tells a worker to drain."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from orchestrator.errors import StoreUnavailable
from web.ingress import Ingress

NO_WORKERS = "There are no workers: USE_REDIS is false, and this process answers all calls."


async def list_processes(ingress: Ingress, request: Request) -> Response:
    """Answer with every process that runs, or was lost in the last ten minutes."""
    processes = await ingress.runtime.processes()
    if processes is None:
        raise StoreUnavailable
    return JSONResponse({"processes": processes})


async def drain_worker(ingress: Ingress, request: Request) -> Response:
    """Tell the worker to drain. It ends once its turns are finished: look at `GET /processes`."""
    if ingress.runtime.redis is None:
        raise HTTPException(404, NO_WORKERS)
    worker = await ingress.runtime.drain(request.path_params["worker_id"])
    return JSONResponse({"id": worker["id"], "state": worker["state"]}, 202)
