"""Serves the files of pages, which lie in their packages. Their hashes are the ETags."""

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from web.api.key import check_key
from web.ingress import ingress_of

_TYPES = {
    "html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml",
    "json": "application/json", "txt": "text/plain",
}  # fmt: skip

# No external resources, nothing inline, no frames, and no string becomes markup.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
Endpoint = Callable[[Request], Awaitable[Response]]

SAFETY = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    headers: dict[str, str]
    kind: str

    @classmethod
    def read(cls, file: Traversable) -> "_File":
        content = file.read_bytes()
        tag = f'"{hashlib.sha256(content).hexdigest()[:20]}"'
        headers = {**SAFETY, "Cache-Control": "no-cache", "ETag": tag}
        return cls(content, headers, f"{_TYPES[file.name.rpartition('.')[2]]}; charset=utf-8")

    def answer(self, request: Request) -> Response:
        """Return the file; 304 if the client has it. Check the key first if there is none."""
        settings = ingress_of(request).settings
        if not settings.has_api_key:
            check_key(request, settings, "read")
        if request.headers.get("if-none-match") == self.headers["ETag"]:
            return Response(status_code=304, headers=self.headers)
        return Response(self.content, headers={**self.headers, "Content-Type": self.kind})


def page_file(name: str, package: str) -> Endpoint:
    """Return an endpoint that serves the file `name` of a package.

    The files hold nothing about calls. So with a key anybody may request them: the page asks for the key, and
    only its requests for data carry it. Without a key the files are as closed as the API.
    """
    file = _File.read(files(package) / name)

    async def endpoint(request: Request) -> Response:
        return file.answer(request)

    return endpoint


def page_files(folder: str, package: str) -> Endpoint:
    """Return an endpoint that serves the files in a folder of a package, for routes with `{name}`, and with
    `{folder}/{name}` for those in its own folders.

    They are read once, here: a request chooses among those that there are, and its path is never one of the file
    system's.
    """
    known = {path: _File.read(file) for path, file in _files_in(files(package) / folder, "")}

    async def endpoint(request: Request) -> Response:
        file = known.get("/".join(request.path_params.values()))
        if file is None:
            raise HTTPException(404)
        return file.answer(request)

    return endpoint


def _files_in(folder: Traversable, prefix: str) -> Iterator[tuple[str, Traversable]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files_in(entry, f"{prefix}{entry.name}/")
        elif entry.name.rpartition(".")[2] in _TYPES:
            yield prefix + entry.name, entry
