"""What the README shows is what happens."""

import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.program import Start, clean_environment, programs
from support.servers import free_port
from support.waiting import wait_until_sync

from orchestrator.cli.main import COMMANDS
from orchestrator.settings import load_settings

README = (Path(__file__).parents[2] / "README.md").read_text()
MOMENT = re.compile(r"\w+day the [\w-]+(,? at (half past )?\w+ in the (morning|afternoon))?")


def blocks(language: str) -> list[str]:
    """The fenced blocks in that language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def block(language: str, containing: str) -> str:
    (found,) = (text for text in blocks(language) if containing in text)
    return found


def whenever(text: str) -> str:
    """The text without what depends on the day and the hour, on one line."""
    text = re.sub(r"Good (morning|afternoon|evening)", "Good day", " ".join(text.split()))
    return MOMENT.sub("some day", text)


def speeches(transcript: str) -> list[tuple[str, str]]:
    """Who said what, from the output of `voiceagent call`."""
    spoken = re.split(r"^(agent|you) +› ", transcript.partition("\n\n")[2].rpartition("\n\n")[0], flags=re.MULTILINE)
    return [(who, whenever(text)) for who, text in zip(spoken[1::2], spoken[2::2], strict=True)]


def post(command: str, port: int) -> httpx.Response:
    """What the curl command of a README block does, at another port."""
    words = iter(shlex.split(command.replace("\\\n", " ")))
    assert next(words) == "curl"
    url, headers, body = "", {}, ""
    for word in words:
        if word == "-H":
            name, _, value = next(words).partition(": ")
            headers[name] = value
        elif word == "-d":
            body = next(words)
        elif word != "-s":
            url = word
    return httpx.post(f"http://{url.replace('8000', str(port))}", headers=headers, content=body, timeout=30)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with programs(tmp_path) as begin:
        yield begin


def serve(start: Start, directory: Path, **variables: str) -> int:
    """`python -m web` in memory, in that directory; its port."""
    port = free_port()
    environment = clean_environment(USE_REDIS="false", PORT=str(port), **variables)
    start(["python", "-m", "web"], directory, environment).wait_for(f"http://127.0.0.1:{port}/readyz")
    return port


def develop(start: Start, directory: Path) -> int:
    """What `make run` does, in that directory; the port."""
    port = free_port()
    start(["voiceagent", "dev", "--port", str(port)], directory, clean_environment()).wait_for(
        f"http://127.0.0.1:{port}/readyz"
    )
    return port


def call(port: int, shown: list[tuple[str, str]], directory: Path) -> list[tuple[str, str]]:
    """A call from the terminal, by somebody who says what is `shown`, once the agent has spoken as often as that shows.

    Where the agent speaks twice, what it says by itself is fetched by a silence. That and text messages are left out.
    """
    log, url = directory / "call.log", f"http://127.0.0.1:{port}"

    def heard(more: str = "\n\n") -> list[tuple[str, str]]:
        found = speeches(re.sub(r"^ +\[.*\n(?: {8}.*\n)*", "", log.read_text() + more, flags=re.MULTILINE))
        return [(who, text) for who, text in found if text != "(silence)"]

    def is_told() -> bool:
        state = httpx.get(f"{url}/calls/{re.findall(r'CA[0-9a-f]{32}', log.read_text())[0]}").json()
        return any(turn["kind"] == "activity" for turn in state["turns"])

    with log.open("w") as output:
        terminal = subprocess.Popen(
            ["voiceagent", "call", url, "--no-timeouts"], stdin=subprocess.PIPE, stdout=output,
            stderr=subprocess.STDOUT, cwd=directory, env=clean_environment(), text=True,
        )  # fmt: skip
        with terminal:
            assert terminal.stdin is not None
            for number, (who, text) in enumerate(shown[1:], 1):
                is_told_by_itself = who == "agent" == shown[number - 1][0]
                if who == "you" or is_told_by_itself:
                    wait_until_sync(lambda number=number: len(heard()) >= number, f"{text} can be said")
                    if is_told_by_itself:
                        wait_until_sync(is_told, "the calendar has answered")
                    terminal.stdin.write(f"{'' if is_told_by_itself else text}\n")
                    terminal.stdin.flush()
            assert terminal.wait(60) == 0, log.read_text()
    return heard("")


@pytest.mark.processes
def test_the_conversation_goes_as_shown(start: Start, tmp_path: Path) -> None:
    shown = speeches(block("text", "Calling http"))
    assert len(shown) > 5
    assert call(develop(start, tmp_path), shown, tmp_path) == shown


@pytest.mark.processes
def test_a_text_turn_gets_the_answer_shown_however_often_it_is_sent(start: Start, tmp_path: Path) -> None:
    def timeless(answer: dict[str, Any]) -> dict[str, Any]:
        answer["reply"]["text"] = whenever(answer["reply"]["text"])
        return answer

    port = serve(start, tmp_path)
    command = block("bash", "curl")
    for _ in range(2):
        answer = post(command, port)
        assert answer.status_code == 200, answer.text
        assert timeless(answer.json()) == timeless(json.loads(block("json", "turn_id")))


@pytest.mark.processes
def test_the_agent_shown_answers(start: Start, tmp_path: Path) -> None:
    (tmp_path / "front_desk.py").write_text(block("python", "front_desk.py"))
    (named,) = re.findall(r"AGENT=(\S+)", block("bash", "AGENT="))
    port = serve(start, tmp_path, AGENT=named)
    shown = [
        ("agent", "Front desk. What is your room number?"),
        ("you", "12"),
        ("agent", "Room 12. Somebody is on the way. Goodbye."),
    ]
    assert call(port, shown, tmp_path) == shown


def test_the_settings_table_shows_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = load_settings(_env_file=None).__class__.model_fields
    rows = re.findall(r"^\| (`[A-Z`, _]+`) \| ([^|]*)\|", README, re.MULTILINE)
    assert len(rows) >= 8
    for names, values in rows:
        shown = re.findall(r"`(\w+)`", values) or [""]
        for name, value in zip(re.findall(r"\w+", names), shown, strict=True):
            default = defaults[name.lower()].default
            expected = "" if default is None else str(default).lower() if isinstance(default, bool) else str(default)
            assert value == expected, name


def test_every_command_named_exists(texts: dict[str, str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", texts["Makefile"], re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", "docs/deployment.md", "docs/operations.md", "docs/design.md"):
        named = set(re.findall(r"`(?:[\w=./]+ )?make ([a-z-]+)`|^make ([a-z-]+)", texts[page], re.MULTILINE))
        assert {first or second for first, second in named} <= targets, page
        assert set(re.findall(r"(?:bin/|`)voiceagent ([a-z]+)", texts[page])) <= set(COMMANDS), page


def test_the_places_listed_exist_and_every_package_is_listed(repository: Path) -> None:
    listing = block("text", "orchestrator/")
    parent = Path()
    listed = set()
    for indent, names in re.findall(r"^( *)((?:\w+/ ?)+)", listing, re.MULTILINE):
        for name in re.findall(r"\w+", names):
            parent = parent if indent else Path(name)
            path = repository / parent / name if indent else repository / name
            assert path.is_dir(), path
            listed.add(path)
    for package in ("orchestrator", "web", "workers"):
        there = {path.parent for path in (repository / package).glob("*/__init__.py")}
        assert there <= listed
