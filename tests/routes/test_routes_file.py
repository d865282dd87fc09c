"""A file of routes as it is read, and all that can be wrong with one, with its lines."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import BadSetting
from orchestrator.routes.choice import ANY_AGENT, Choice
from orchestrator.routes.table import HookedChoice, RouteTable, load_routes
from orchestrator.settings import Settings

AGENTS = """
[agents.reception]
agent = "echo"
channel = "relay"
language = "en-US"
voice = "en-US-Chirp3-HD-Aoede"
tts_provider = "Google"
transcription_provider = "Deepgram"
speech_model = "nova-3-general"
hints = ["appointment", "check-up"]
settings = { clinic = "north" }

[agents.next]
like = "reception"
agent = "front_desk2:answer"

[agents.night]
agent = "echo"
"""
OPEN = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
CLOSED = datetime(2026, 11, 26, 20, 0, tzinfo=UTC)

Load = Callable[..., RouteTable]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Read these routes from a file `routes.toml` in the current directory."""
    monkeypatch.chdir(tmp_path)

    def load(routes: str, agents: str = AGENTS, **settings: Any) -> RouteTable:
        Path("routes.toml").write_text(agents + routes)
        return load_routes(Settings(_env_file=None, routes="routes.toml", **settings))

    return load


def complaints(load: Load, routes: str, agents: str = AGENTS, **settings: Any) -> list[str]:
    with pytest.raises(BadSetting) as refused:
        load(routes, agents, **settings)
    return str(refused.value).splitlines()


def test_without_routes_every_answer_is_the_agent_of_the_settings() -> None:
    table = load_routes(Settings(_env_file=None))
    assert table.choose("+15551230001", "CA1", OPEN) == ANY_AGENT
    assert (table.entry("x"), table.tenants, table.has_several_tenants) == (None, frozenset({""}), False)


def test_an_agent_has_what_the_file_says_and_what_it_takes_from_the_one_it_is_like(load: Load) -> None:
    table = load("")
    reception, following = table.agents["reception"], table.agents["next"]
    assert (reception.agent, reception.channel, reception.settings) == ("echo", "relay", {"clinic": "north"})
    assert (reception.voice.voice, reception.voice.hints) == ("en-US-Chirp3-HD-Aoede", ("appointment", "check-up"))
    assert (following.agent, following.channel) == ("front_desk2:answer", "relay")
    assert (following.voice, following.settings) == (reception.voice, reception.settings)
    assert table.agents["night"].channel is None


def test_the_longest_match_answers_in_whatever_spelling_the_number_comes(load: Load) -> None:
    table = load("""
[[routes]]
number = "*"
agent = "night"
[[routes]]
number = "+1555*"
agent = "next"
[[routes]]
number = "+1 555 123 0001"
agent = "reception"
[[routes]]
number = "sip:desk@pbx.example.com"
agent = "next"
""")
    answers = {
        "+15551230001": "reception", "+1 (555) 123-0001": "reception", "+15551230002": "next", "+4681234567": "night",
        "sip:Desk@pbx.example.com:5060": "next", "sip:other@pbx.example.com": "night", "client:anna": "night",
        "": "night",
    }  # fmt: skip
    assert {number: table.choose(number, "CA1", OPEN).agent for number in answers} == answers


def test_a_number_without_a_route_is_answered_by_the_agent_of_the_settings(load: Load) -> None:
    assert load('[[routes]]\nnumber = "+1555*"\nagent = "night"').choose("+4681234567", "CA1", OPEN) == ANY_AGENT


def test_outside_of_its_hours_another_agent_answers_in_the_zone_of_the_route(load: Load) -> None:
    table = load("""
[[routes]]
number = "*"
agent = "reception"
tenant = "north"
max_calls = 2
hours = "Mo-Fr 08:00-18:00"
time_zone = "Europe/Stockholm"
closed = "night"
""")
    assert table.choose("+1", "CA1", OPEN) == Choice("reception", "north", 2, "north")
    assert table.choose("+1", "CA1", CLOSED) == Choice("night", "north", 2, "north")
    assert table.choose("+1", "CA1", datetime(2026, 11, 26, 7, 30, tzinfo=UTC)).agent == "reception"
    assert table.placed("+1", "CA1").agent == "reception"


def test_a_split_gives_each_its_part_and_a_call_always_the_same(load: Load) -> None:
    table = load('[[routes]]\nnumber = "*"\nsplit = { reception = 80, next = 20, night = 0 }')
    agents = [table.choose("+1", f"CA{number}", OPEN).agent for number in range(5000)]
    assert 0.77 < agents.count("reception") / 5000 < 0.83
    assert agents.count("night") == 0
    assert agents == [table.choose("+1", f"CA{number}", CLOSED).agent for number in range(5000)]


def test_limits_are_of_tenants_and_of_numbers_without_one(load: Load) -> None:
    table = load("""
[[routes]]
number = "+15551230001"
agent = "night"
tenant = "north"
max_calls = 5
[[routes]]
number = "+15551230002"
agent = "night"
tenant = "north"
[[routes]]
number = "+15551230003"
agent = "night"
max_calls = 3
""")
    limits = [table.choose(f"+1555123000{digit}", "CA1", OPEN) for digit in (1, 2, 3)]
    assert [(choice.limited_as, choice.max_calls) for choice in limits] == [
        ("north", 5), ("north", 5), ("+15551230003", 3),
    ]  # fmt: skip
    assert (table.tenants, table.has_several_tenants) == (frozenset({"north", ""}), True)


def test_a_hook_is_asked_only_while_it_is_open_and_not_about_placed_calls(load: Load) -> None:
    Path("a_hook_of_a_file.py").write_text("def choose(call): ...")
    table = load("""
[[routes]]
number = "*"
agent = "reception"
hours = "Mo-Fr 08:00-18:00"
time_zone = "UTC"
closed = "night"
hook = "a_hook_of_a_file:choose"
""")
    found = table.choose("+1", "CA1", OPEN)
    assert isinstance(found, HookedChoice)
    assert found.fallback.agent == "reception"
    assert table.choose("+1", "CA1", CLOSED) == Choice("night")
    assert table.placed("+1", "CA1") == Choice("reception")


def test_a_process_that_answers_no_calls_loads_no_hook(load: Load) -> None:
    Path("routes.toml").write_text(AGENTS + '[[routes]]\nnumber = "*"\nagent = "night"\nhook = "no_such_module:choose"')
    table = load_routes(Settings(_env_file=None, routes="routes.toml"), with_hooks=False)
    assert table.choose("+1", "CA1", OPEN) == Choice("night")


def test_all_that_is_wrong_is_said_at_once_with_its_lines(load: Load) -> None:
    said = complaints(load, """
[[routes]]
number = "+1 555 123 0001"
agent = "recepton"
colour = "red"

[[routes]]
number = "+15551230001"
agent = "night"
hours = "Mo-Fr 8-18"
time_zone = "Europe/Stokholm"
max_calls = 0
hook = "no_such_module:choose"

[[routes]]
split = { reception = 1, sales = "2" }
tenant = "a tenant"
closed = "night"
""", agents="""
[agents.reception]
agent = "echo"
channel = "pigeon"

[agents.night]
agent = "echo"
language = "english"
""")  # fmt: skip
    assert [line.partition(": ")[0] for line in said] == [f"routes.toml:{line}" for line in
        (4, 8, 12, 13, 16, 18, 18, 19, 20, 21, 23, 24, 25, 26)]  # fmt: skip
    text = "\n".join(said)
    for sentence in (
        "channel: there is no channel 'pigeon'; there are gather, relay",
        "agent: there is no agent 'recepton'; there are night, reception",
        "colour: means nothing here",
        "number: two routes are for +15551230001",
        "hours: need closed",
        "hours: has no time '8'",
        "time_zone: must be a name of the IANA time zone database",
        "max_calls: must be a whole number of at least 1",
        "hook: no_such_module:choose: there is no module 'no_such_module' here",
        "number: is missing",
        "split: must say how many parts each agent gets",
        "tenant: must have 1 to 64 letters",
        "closed: means nothing without hours",
    ):
        assert sentence in text, text


@pytest.mark.parametrize(("routes", "agents", "said"), [
    ("", "[agents.a]\n", "routes.toml:1: agent: is missing"),
    ("", '[agents.a]\nagent = "nothing"\n', "routes.toml:2: agent: 'nothing' is none"),
    ("", '[agents.a]\nlike = "b"\nagent = "echo"\n', "routes.toml:2: like: there is no agent 'b'; there are a"),
    ("", '[agents.a]\nlike = "b"\n[agents.b]\nlike = "a"\nagent = "echo"\n', "is like itself"),
    ("", '[agents."a b"]\nagent = "echo"\n', "the name of an agent must have"),
    ("", '[agents.a]\nagent = "echo"\nhints = "word"\n', "routes.toml:3: hints: must be a list"),
    ("", '[agents.a]\nagent = "echo"\nsettings = 3\n', "routes.toml:3: settings: must be a table"),
    ("", '[agents]\na = "echo"\n', "routes.toml:2: agents.a must be a table"),
    ("", '[agent.a]\nagent = "echo"\n', "routes.toml:1: agent: means nothing here"),
    ("[agents", "", "routes.toml: Expected ']'"),
    ('[routes]\nnumber = "*"', AGENTS, "write [[routes]] for each of them"),
    ('[[routes]]\nnumber = "*"', AGENTS, "agent: is missing: who answers this number?"),
    ('[[routes]]\nnumber = "*"\nsplit = {night = 0}', AGENTS, "split: gives no agent any part"),
    ('[[routes]]\nnumber = "*"\nagent = "night"\nhook = "https://example.com/x"', AGENTS, "needs ROUTES_HOOK_SECRET"),
    ('[[routes]]\nnumber = "*"\nagent = "night"\nhook = "http://example.com/x"', AGENTS, "or begin with https://"),
    ('[[routes]]\nnumber = "*"\nagent = "night"\nhook = "os:sep"', AGENTS, "'os:sep' is no function"),
    ('[[routes]]\nnumber = "*"\nagent = "night"\nhook = "shutil:move"', AGENTS, "must take one argument, the call"),
    ('[[routes]]\nnumber = "*"\nagent = "night"\nhook = "http://localhost.example.com/"', AGENTS, "begin with https://"),
    ('[[routes]]\nnumber = "*"\nagent = "night"\nhook = "http://127.0.0.1@example.com/"', AGENTS, "begin with https://"),
    ('[[routes]]\nnumber = "*"\nagent = "night"\nhook = "https://10.0.0.1/x"', AGENTS, "HOOK_ALLOW_PRIVATE=true"),
    ("", '[agents.a]\nagent = "echo"\nsettings = { since = 2026-01-01 }\n', "routes.toml:3: settings: must hold texts"),
    ("", '[agents.a]\nagent = "echo"\nsettings = { part = nan }\n', "routes.toml:3: settings: must hold texts"),
    ("", '[agents.a]\nagent = "receptionist"\nsettings = { time_zone = "No/Where" }\n', "3: settings: time_zone: must"),
    ("", '[agents.a]\nagent = "receptionist"\nsettings = { transfer_to = "x" }\n', "3: settings: transfer_to: must be"),
    ("", '[agents.a]\nagent = "llm"\nsettings = { llm_model = 3 }\n', "3: settings: llm_model: Input should be"),
    ("", "a = " + "[" * 100_000, "routes.toml: holds a number that is too long, or brackets that are too deep"),
    ("", "a = " + "1" * 5000, "routes.toml: holds a number that is too long, or brackets that are too deep"),
    ("#" * 1024 * 1024, AGENTS, "routes.toml: the routes take more than 1048576 bytes"),
])  # fmt: skip
def test_each_mistake_has_a_sentence(load: Load, routes: str, agents: str, said: str) -> None:
    assert said in "\n".join(complaints(load, routes, agents))


def test_a_split_written_as_a_table_has_its_own_line(load: Load) -> None:
    route = '[[routes]]\nnumber = "{}"\n[routes.split]\n{} = 1\n'
    said = complaints(
        load, route.format("+15551230001", "a") + route.format("+15551230002", "b"), '[agents.a]\nagent = "echo"\n'
    )
    assert said == ["routes.toml:9: split: there is no agent 'b'; there are a"]


def test_lines_are_those_of_the_file_whatever_its_texts_hold(load: Load) -> None:
    agents = '[agents.a]\nagent = "echo"\nsettings = { said = "one\u2028two\x85three" }\nlanguage = "english"\n'
    assert [line.partition(": ")[0] for line in complaints(load, "", agents)] == ["routes.toml:4"]


def test_a_hook_is_shown_without_what_may_be_secret_in_its_url(load: Load) -> None:
    route = '[[routes]]\nnumber = "*"\nagent = "night"\nhook = "https://me:word@router.example.com/x?key=word"'
    found = load(route, routes_hook_secret="whsec_" + "c2VjcmV0" * 4).routes["*"].hook
    assert found is not None
    assert found.name == "https://***@router.example.com/x?***"


def test_an_agent_is_blamed_for_its_own_mistakes_alone(load: Load) -> None:
    agents = '[agents.a]\nagent = "echo"\nchannel = "pigeon"\n[agents.b]\nlike = "a"\n'
    assert complaints(load, "", agents) == [
        "routes.toml:3: channel: there is no channel 'pigeon'; there are gather, relay"
    ]


def test_two_limits_for_one_tenant_are_a_mistake(load: Load) -> None:
    route = '[[routes]]\nnumber = "{}"\nagent = "night"\ntenant = "north"\nmax_calls = {}\n'
    said = complaints(load, route.format("+15551230001", 5) + route.format("+15551230002", 6))
    assert "max_calls: the tenant 'north' has another limit in a route before" in said[0]


def test_a_file_that_is_not_there_or_no_text_is_a_bad_setting(tmp_path: Path) -> None:
    file = tmp_path / "routes.toml"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(BadSetting, match="not UTF-8"):
        load_routes(Settings(_env_file=None, routes=str(file)))


def test_a_file_that_an_editor_has_begun_with_a_byte_order_mark_is_read(load: Load) -> None:
    table = load("", agents="\ufeff" + AGENTS)
    assert set(table.agents) == {"reception", "next", "night"}


def test_settings_that_are_nested_without_end_are_a_complaint(load: Load) -> None:
    deep = "[agents.deep]\nagent = 'echo'\nsettings." + ".".join(["a"] * 3000) + " = 1\n"
    [complaint] = complaints(load, "", agents=deep)
    assert "settings" in complaint
