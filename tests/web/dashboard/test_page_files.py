"""The files of the page: which are served, how, and what their modules may not do."""

import re
from pathlib import Path

import pytest

import web.dashboard

PAGE = Path(web.dashboard.__file__).parent / "page"
FILES = sorted(path.relative_to(PAGE).as_posix() for path in PAGE.rglob("*") if path.is_file())
OWN = [name for name in FILES if not name.startswith("vendor/")]
MODULES = [name for name in OWN if name.endswith(".js")]
STYLES = [name for name in OWN if name.endswith(".css")]
MOST_LINES = 300
DANGERS = (
    "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "style=", "onclick=",
    "sessionStorage", "document.cookie", "http:", "https:",
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
async def test_each_file_is_served_under_a_policy_that_lets_nothing_else_in(ingress, name):
    response = await ingress.client.get(f"/dashboard/page/{name}")
    assert response.status_code == 200
    assert response.content == (PAGE / name).read_bytes()
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("name", ["", "nothing.js", "../routes.py", "..%2froutes.py", "views", "views/", "/etc/passwd"])
async def test_no_other_file_is_served(ingress, name):
    assert (await ingress.client.get(f"/dashboard/page/{name}")).status_code == 404


async def test_a_file_is_sent_again_only_when_it_has_changed(ingress):
    first = await ingress.client.get("/dashboard/page/main.js")
    again = await ingress.client.get("/dashboard/page/main.js", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", [name for name in OWN if not name.startswith("texts/")])
def test_a_file_is_short_and_makes_no_markup_of_text(name):
    text = (PAGE / name).read_text()
    assert text.count("\n") <= MOST_LINES
    for danger in DANGERS:
        assert danger not in text.replace("http://www.w3.org/2000/svg", ""), danger


def test_the_page_asks_for_all_of_its_styles_and_for_one_module():
    page = (PAGE / "index.html").read_text()
    assert sorted(re.findall(r'href="dashboard/page/(css/[\w.]+)"', page)) == STYLES
    assert re.findall(r'src="([^"]+)"', page) == ["dashboard/page/main.js"]


def test_each_module_is_imported_by_another():
    named = {
        (PAGE / name).parent.joinpath(path).resolve()
        for name in MODULES
        for path in re.findall(r"""(?:from|import\()\s*"(\.[^"]+)\"""", (PAGE / name).read_text())
    }
    assert [name for name in MODULES if name != "main.js" and (PAGE / name).resolve() not in named] == []
