"""The routes of the dashboard: the files of its page, which asks the public API for everything else."""

from starlette.routing import Route

from web.page_file import page_file, page_files

PAGE = page_files("page", __package__)

routes = [
    Route("/dashboard", page_file("page/index.html", __package__), methods=["GET"]),
    Route("/dashboard/page/{name}", PAGE, methods=["GET"]),
    Route("/dashboard/page/{folder}/{name}", PAGE, methods=["GET"]),
    Route("/dashboard/icon.svg", page_file("icon.svg", __package__), methods=["GET"]),
]
