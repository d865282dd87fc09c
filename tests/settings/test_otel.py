"""The settings of traces: as OpenTelemetry's specification says, and refused at start where they are wrong."""

from pathlib import Path
from typing import Any

import pytest

from orchestrator.errors import BadSetting
from orchestrator.settings.otel import OtelSettings, load_otel_settings

COLLECTOR = "http://collector:4318"


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in OtelSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> OtelSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_otel_settings()


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR}, f"{COLLECTOR}/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": f"{COLLECTOR}/at/"}, f"{COLLECTOR}/at/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"{COLLECTOR}/own"}, f"{COLLECTOR}/own"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://other", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": COLLECTOR}, COLLECTOR),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, "http://localhost:4318/v1/traces"),
    ],
)
def test_an_endpoint_or_an_exporter_turns_traces_on(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], endpoint: str
) -> None:
    settings = load(monkeypatch, **variables)
    assert (settings.is_on, settings.endpoint) == (True, endpoint)


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SERVICE_NAME": "calls"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_TRACES_EXPORTER": "none"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": COLLECTOR, "OTEL_SDK_DISABLED": "true"},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "no url", "OTEL_SDK_DISABLED": "TRUE"},
    ],
)
def test_everything_else_leaves_them_off(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]) -> None:
    assert not load(monkeypatch, **variables).is_on


def test_without_any_variable_the_settings_are_those_that_are_read_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    without = load_otel_settings()
    assert without == load(monkeypatch, OTEL_UNKNOWN="1")
    assert without == OtelSettings()
    assert without.model_dump() == OtelSettings().model_dump()


def test_a_variable_in_small_letters_counts_too(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, otel_exporter_otlp_endpoint=COLLECTOR).is_on


def test_the_file_of_settings_counts_too(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"OTEL_EXPORTER_OTLP_ENDPOINT={COLLECTOR}\n")
    assert load_otel_settings().is_on


def test_headers_and_times_are_read_as_the_specification_writes_them(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(
        monkeypatch, OTEL_EXPORTER_OTLP_HEADERS="api-key=a%20b%3D, other = x=y ", OTEL_EXPORTER_OTLP_TIMEOUT="2500"
    )
    assert settings.headers == {"api-key": "a b=", "other": "x=y"}
    assert settings.timeout_seconds == 2.5
    traces = load(
        monkeypatch, OTEL_EXPORTER_OTLP_TRACES_HEADERS="api-key=mine", OTEL_EXPORTER_OTLP_TRACES_TIMEOUT="100"
    )
    assert (traces.headers, traces.timeout_seconds) == ({"api-key": "mine"}, 0.1)


@pytest.mark.parametrize(
    ("variable", "value", "complaint"),
    [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318", "must be the URL of an OTLP collector"),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "got 'grpc'; it must be http/protobuf"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "must be otlp or none"),
        ("OTEL_TRACES_SAMPLER", "sometimes", "got 'sometimes'"),
        ("OTEL_TRACES_SAMPLER_ARG", "2", "must be at most 1"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "-1", "must be more than 0"),
        ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "5000", "must be at most OTEL_BSP_MAX_QUEUE_SIZE"),
        ("OTEL_EXPORTER_OTLP_TIMEOUT", "soon", "must be a number"),
        ("OTEL_EXPORTER_OTLP_CERTIFICATE", "/no/such.pem", "no such file exists"),
        ("OTEL_RESOURCE_ATTRIBUTES", "production", "must be pairs such as key=value"),
    ],
)
def test_a_bad_value_is_refused_with_one_sentence(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, complaint: str
) -> None:
    with pytest.raises(BadSetting) as raised:
        load(monkeypatch, **{variable: value})
    assert str(raised.value).startswith(f"{variable}: ")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_key_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BadSetting) as raised:
        load(monkeypatch, OTEL_EXPORTER_OTLP_HEADERS="secret-key")
    assert "secret-key" not in str(raised.value)
    settings: Any = load(monkeypatch, OTEL_EXPORTER_OTLP_HEADERS="name=secret-key")
    assert "secret-key" not in repr(settings)
