"""`voiceagent doctor` and the routes."""

from pathlib import Path

from orchestrator.doctor.routes import judge_routes
from orchestrator.settings import Settings

ROUTES = """
[agents.day]
agent = "echo"

[agents.billing]
agent = "echo"

[[routes]]
number = "+15551230001"
agent = "day"
"""


def findings(directory: Path, text: str) -> list[tuple[str, str]]:
    (directory / "routes.toml").write_text(text)
    settings = Settings(_env_file=None, agent="echo", routes=str(directory / "routes.toml"))
    return [(finding.level, finding.message) for finding in judge_routes(settings)]


def test_nothing_is_said_without_routes() -> None:
    assert list(judge_routes(Settings(_env_file=None))) == []


def test_what_the_routes_leave_out_is_noted(tmp_path: Path) -> None:
    assert findings(tmp_path, ROUTES) == [
        ("note", "Numbers without a route are answered by echo (AGENT)."),
        ("note", "No route leads to billing."),
    ]
    assert findings(tmp_path, ROUTES + '[[routes]]\nnumber = "*"\nagent = "billing"\n') == []
    [(level, message)] = findings(tmp_path, "")
    assert (level, message) == ("warning", "ROUTES names a file without a route.")


def test_a_number_without_its_country_is_warned_of(tmp_path: Path) -> None:
    (warning,) = [message for level, message in findings(tmp_path, ROUTES.replace("+1", "1")) if level == "warning"]
    assert warning == "A route is for 15551230001, a number without its country."
    assert "warning" not in dict(findings(tmp_path, ROUTES.replace("+15551230001", "72404")))


def test_each_fault_of_the_file_is_a_problem(tmp_path: Path) -> None:
    found = findings(tmp_path, ROUTES.replace('agent = "day"', 'agent = "dya"\nmax_calls = 0'))
    assert {level for level, _ in found} == {"problem"}
    assert len(found) == 2
    assert ["dya" in message for _, message in found].count(True) == 1
