"""What the environment means, and what is said when it means nothing."""

import pytest

from orchestrator.errors import BadSetting
from orchestrator.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path) -> None:
    """No variable of ours, and no `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def complaint(**environment: str) -> str:
    with pytest.raises(BadSetting) as caught:
        load_settings(**environment)
    return str(caught.value)


def test_the_documented_defaults() -> None:
    settings = load_settings()
    assert (settings.use_redis, settings.state_ttl_seconds, settings.environment) == (False, 3600, "development")
    assert settings.effective_redis_url() == "redis://localhost:6379/0"


def test_the_parts_make_a_url(monkeypatch) -> None:
    parts = {"HOST": "r.example", "PORT": "6380", "DB": "3", "PASSWORD": "p@s/s", "SSL": "true"}
    for name, value in parts.items():
        monkeypatch.setenv(f"REDIS_{name}", value)
    assert load_settings().effective_redis_url() == "rediss://:p%40s%2Fs@r.example:6380/3"


def test_the_url_beats_the_parts() -> None:
    settings = load_settings(redis_url="redis://other:1/2", redis_host="ignored")
    assert settings.effective_redis_url() == "redis://other:1/2"


def test_an_ipv6_host_gets_its_brackets() -> None:
    assert load_settings(redis_host="::1").effective_redis_url() == "redis://[::1]:6379/0"


def test_empty_and_padded_values_do_not_count(monkeypatch) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    monkeypatch.setenv("REDIS_PASSWORD", "  ")
    monkeypatch.setenv("REDIS_PORT", " 6390 ")
    settings = load_settings()
    assert (settings.redis_url, settings.redis_password, settings.redis_port) == (None, None, 6390)


def test_the_file_is_read_and_the_environment_beats_it(monkeypatch, tmp_path) -> None:
    (tmp_path / ".env").write_text("AGENT=echo\nPORT=1234\nUNKNOWN=fine\n")
    monkeypatch.setenv("PORT", "4321")
    settings = load_settings()
    assert (settings.agent, settings.port) == ("echo", 4321)


def test_a_file_in_another_encoding_is_told(tmp_path) -> None:
    (tmp_path / ".env").write_bytes(b"AGENT=\xff\xfe")
    assert complaint() == "The file .env is not UTF-8. Save it as UTF-8, or remove it."


def test_all_complaints_come_at_once_one_line_each(monkeypatch) -> None:
    bad = {
        "USE_REDIS": "perhaps", "REDIS_PORT": "abc", "REDIS_ROLLOUT_PERCENT": "101", "VOICE_CHANNEL": "sip",
        "STATE_TTL_SECONDS": "0", "AGENT_TIMEOUT_SECONDS": "-1", "PUBLIC_BASE_URL": "calls.example.com",
    }  # fmt: skip
    for name, value in bad.items():
        monkeypatch.setenv(name, value)
    assert sorted(complaint().splitlines()) == [
        "AGENT_TIMEOUT_SECONDS: got '-1'; it must be more than 0",
        "PUBLIC_BASE_URL: got 'calls.example.com'; it must be a URL that the provider can reach, "
        "such as https://calls.example.com",
        "REDIS_PORT: got 'abc'; it must be a whole number",
        "REDIS_ROLLOUT_PERCENT: got '101'; it must be at most 100",
        "STATE_TTL_SECONDS: got '0'; it must be at least 1",
        "USE_REDIS: got 'perhaps'; it must be true or false",
        "VOICE_CHANNEL: got 'sip'; it must be gather or relay",
    ]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis+cluster://:hush@h:1", "did you mean 'redis-cluster://'?"),
        ("redis+sentinel://:hush@h:1/m", "did you mean 'redis-sentinel://'?"),
        ("redis+tls://:hush@h:1", "did you mean 'rediss://'?"),
        ("valkey://:hush@h:1", "did you mean 'redis://'?"),
        ("http://:hush@h:1", "it got 'http://'"),
        ("h:1/hush", "begins otherwise"),
        ("redis://:hu/hush@h:1", "percent-encoded"),
        ("redis://:hu#hush@h:1", "percent-encoded"),
        ("redis://:hu?hush@h:1", "percent-encoded"),
        ("redis://u:p@hu/hush@h:1", "percent-encoded"),
        ("redis://:hush@h:99999", "port from 1 to 65535"),
        ("redis://:hush@", "names no host"),
        ("redis://:hush@h/one", "number of a database"),
        ("redis://:hush@h/0/1", "too many parts"),
        ("redis://:hush@a,b", "redis-sentinel:// or redis-cluster://"),
        ("redis://:hush@h?pool=3", "unknown option 'pool'"),
        ("redis-sentinel://:hush@h1,h2", "names no service"),
        ("redis-cluster://:hush@h1,h2/1", "must have database 0"),
        ("unix://relative/path", "absolute path"),
        ("redis://[::1:hush", "IPv6"),
    ],
)
def test_a_bad_redis_url_is_told_without_its_password(url, says) -> None:
    text = complaint(redis_url=url)
    assert text.startswith("REDIS_URL: ")
    assert says in text
    assert "hush" not in text


@pytest.mark.parametrize("host", ["redis://r.example", "r.example:6379", "a,b", "r.example/0"])
def test_a_host_is_a_host_alone(host) -> None:
    assert "REDIS_HOST" in complaint(redis_host=host)


def test_files_that_are_named_must_be_there(tmp_path) -> None:
    here = tmp_path / "here.pem"
    here.touch()
    assert "REDIS_CA_FILE" in complaint(redis_ca_file="/nowhere.pem")
    assert "REDIS_KEY_FILE: it must be set together" in complaint(redis_cert_file=str(here))
    load_settings(redis_cert_file=str(here), redis_key_file=str(here))


def test_on_render_it_is_production_unless_told_otherwise(monkeypatch) -> None:
    monkeypatch.setenv("RENDER", "true")
    assert load_settings().is_production
    monkeypatch.setenv("ENVIRONMENT", "development")
    assert not load_settings().is_production


def test_the_base_url_beats_renders_and_loses_its_slash(monkeypatch) -> None:
    monkeypatch.setenv("RENDER_EXTERNAL_URL", "https://app.onrender.example")
    assert load_settings().public_base_url == "https://app.onrender.example"
    monkeypatch.setenv("PUBLIC_BASE_URL", "https://calls.example.com/")
    assert load_settings().public_base_url == "https://calls.example.com"


def test_the_base_url_in_the_file_beats_renders_in_the_environment(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("RENDER_EXTERNAL_URL", "https://app.onrender.example")
    (tmp_path / ".env").write_text("PUBLIC_BASE_URL=https://calls.example.com\n")
    assert load_settings().public_base_url == "https://calls.example.com"


def test_words_are_taken_in_any_case() -> None:
    settings = load_settings(log_level="debug", environment="PRODUCTION", log_format="JSON")
    assert (settings.log_level, settings.environment, settings.log_format) == ("DEBUG", "production", "json")


def test_no_secret_shows() -> None:
    settings = load_settings(
        redis_password="hush", redis_url="redis://:hush@h", twilio_auth_token="hush", api_key="hush",
        events_database_url="postgresql://u:hush@h/d",
    )  # fmt: skip
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()


@pytest.mark.parametrize(
    "url",
    [
        "mysql://u:hush@h/d",
        "postgresql://u:hush@h",
        "postgresql://u:hush@h:port/d",
        "postgresql://a:1,b:0/hush",
        "postgresql://[hush/d",
    ],
)
def test_the_url_of_a_database_is_checked_and_not_shown(url: str) -> None:
    assert complaint(events_database_url=url) == (
        "EVENTS_DATABASE_URL: it must be the URL of a PostgreSQL database: postgresql://user:password@host:5432/database"
    )


@pytest.mark.parametrize(
    "url", ["postgres://h/d", "postgresql://u:p@h:5433/d?sslmode=require", "postgresql:///d", "postgresql://a:1,b:2/d"]
)
def test_the_url_of_a_database_may_have_any_of_its_forms(url: str) -> None:
    assert load_settings(events_database_url=url).events_database_url.get_secret_value() == url


def test_a_production_web_process_wants_the_auth_token() -> None:
    with pytest.raises(BadSetting, match="TWILIO_AUTH_TOKEN is not set"):
        load_settings(environment="production").require_for_web()
    load_settings(environment="production", twilio_auth_token="t").require_for_web()
    load_settings().require_for_web()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().agent = "echo"


@pytest.mark.parametrize("name", ["AGENT_TIMEOUT_SECONDS", "DRAIN_TIMEOUT_SECONDS", "REDIS_ROLLOUT_PERCENT"])
@pytest.mark.parametrize("value", ["inf", "nan"])
def test_a_number_is_finite(monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert complaint() == f"{name}: got '{value}'; it must be a number"


def test_a_call_is_not_kept_longer_than_redis_can_count(monkeypatch) -> None:
    monkeypatch.setenv("STATE_TTL_SECONDS", "9" * 20)
    assert complaint() == f"STATE_TTL_SECONDS: got '{'9' * 20}'; it must be at most 315360000"


@pytest.mark.parametrize("url", ["https://[::x", "https://a:port", "https://"])
def test_a_public_url_that_makes_no_url_is_told(monkeypatch, url: str) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", url)
    assert complaint() == (
        f"PUBLIC_BASE_URL: got '{url}'; it must be a URL that the provider can reach, such as https://calls.example.com"
    )


def test_a_password_in_a_url_stays_out_of_the_complaint(monkeypatch) -> None:
    monkeypatch.setenv("PUBLIC_BASE_URL", "ftp://user:hunter2@calls.example.com")
    monkeypatch.setenv("REDIS_HOST", "redis://:hunter3@r.example")
    assert "hunter" not in complaint()


def test_a_complaint_shows_the_value_as_it_was_given(monkeypatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "Loud")
    assert complaint() == "LOG_LEVEL: got 'Loud'; it must be DEBUG, INFO, WARNING or ERROR"


@pytest.mark.parametrize(("name", "value"), [
    ("REDIS_PORT", "tcp://10.96.0.7:6379"), ("REDIS_PORT", "abc"), ("REDIS_HOST", "redis://r.example"),
    ("REDIS_DB", "one"), ("REDIS_SSL", "perhaps"),
])  # fmt: skip
def test_what_the_url_overrules_is_not_judged(monkeypatch, name: str, value: str) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://r.example:6390/1")
    monkeypatch.setenv(name, value)
    assert load_settings().effective_redis_url() == "redis://r.example:6390/1"


def test_beside_a_bad_url_only_the_url_is_told(monkeypatch) -> None:
    monkeypatch.setenv("REDIS_URL", "http://r.example")
    monkeypatch.setenv("REDIS_PORT", "abc")
    (line,) = complaint().splitlines()
    assert line.startswith("REDIS_URL: ")


def test_a_service_link_of_kubernetes_is_no_port(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("REDIS_PORT", "tcp://10.96.0.7:6379")
    assert load_settings(redis_host="r.example").effective_redis_url() == "redis://r.example:6379/0"
    (tmp_path / ".env").write_text("REDIS_PORT=6390\n")
    assert load_settings(redis_host="r.example").redis_port == 6390


@pytest.mark.parametrize(("host", "port"), [("redis", 7000), ("10.96.0.7", 7000), ("r.example", 6379)])
def test_a_service_link_tells_the_port_of_its_own_service(monkeypatch, host: str, port: int) -> None:
    monkeypatch.setenv("REDIS_PORT", "tcp://10.96.0.7:7000")
    assert load_settings(redis_host=host).redis_port == port


@pytest.mark.parametrize("settings", [
    {"llm_base_url": "https://user:hush@models.example/v1"}, {"llm_base_url": "https://models.example/v1?key=hush"},
    {"llm_base_url": "https://user:pa%2Fhush@models.example/v1"},
    {"public_base_url": "https://a.example", "render_external_url": "https://u:hush@b.example"},
    {"transfer_to": "sip:desk:hush@pbx.example"},
])  # fmt: skip
def test_a_password_inside_an_address_does_not_show(settings: dict[str, str]) -> None:
    loaded = load_settings(**settings)
    assert "hush" not in repr(loaded) + str(loaded) + loaded.model_dump_json()


@pytest.mark.parametrize("url", ["ftp://user:hush@models.example", "ftp://user:pa/hush@h", "ftp://h?key=hush"])
def test_a_password_inside_a_bad_address_stays_out_of_the_complaint(url: str) -> None:
    assert "hush" not in complaint(llm_base_url=url)


@pytest.mark.parametrize(("settings", "seconds"), [
    ({}, 900), ({"state_ttl_seconds": 300}, 300), ({"state_ttl_seconds": 300, "ended_call_ttl_seconds": 600}, 600),
    ({"ended_call_ttl_seconds": 60}, 60),
])  # fmt: skip
def test_an_ended_call_is_kept_no_longer_than_a_live_one_unless_told(settings: dict[str, int], seconds: int) -> None:
    assert load_settings(**settings).ended_ttl == seconds
