"""The settings of traces: the `OTEL_` variables of the OpenTelemetry specification, from the environment and `.env`."""

from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from orchestrator.errors import BadSetting
from orchestrator.settings.checks import ExistingFile, is_http_url
from orchestrator.settings.complaints import complaint
from orchestrator.settings.model import given_variables

PREFIX = "OTEL_"
TRACES_PATH = "v1/traces"
DEFAULT_BASE = "http://localhost:4318"


def _collector_url(value: str) -> str:
    if not is_http_url(value):
        raise ValueError("must be the URL of an OTLP collector, such as http://localhost:4318")
    return value


def _pairs(value: str) -> str:
    pairs(value)
    return value


def pairs(text: str) -> dict[str, str]:
    """Return the pairs of `key=value,key=value`, whose values may be percent-encoded. Raise ValueError."""
    found = {}
    for item in filter(None, map(str.strip, text.split(","))):
        key, equals, value = item.partition("=")
        if not equals or not key.strip():
            raise ValueError("must be pairs such as key=value,other=value")
        found[key.strip()] = unquote(value.strip())
    return found


def _secret_pairs(value: SecretStr) -> SecretStr:
    pairs(value.get_secret_value())
    return value


_lower = BeforeValidator(lambda value: value.strip().lower() if isinstance(value, str) else value)

CollectorUrl = Annotated[str, AfterValidator(_collector_url)]
Headers = Annotated[SecretStr, AfterValidator(_secret_pairs)]
Milliseconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Protocol = Annotated[Literal["http/protobuf"], _lower]
Sampler = Annotated[
    Literal[
        "always_on", "always_off", "traceidratio",
        "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
    ],
    _lower,
]  # fmt: skip


class OtelSettings(BaseSettings):
    """How traces are made and where they go. Traces are off unless an endpoint or an exporter is set."""

    model_config = SettingsConfigDict(
        defer_build=True,  # most processes have no variable for it
        env_file=".env", env_ignore_empty=True, extra="ignore", hide_input_in_errors=True,
    )  # fmt: skip

    otel_sdk_disabled: Annotated[bool, _lower] = False
    otel_traces_exporter: Annotated[Literal["otlp", "none"] | None, _lower] = None
    otel_exporter_otlp_endpoint: CollectorUrl | None = None
    otel_exporter_otlp_traces_endpoint: CollectorUrl | None = None
    otel_exporter_otlp_protocol: Protocol | None = None
    otel_exporter_otlp_traces_protocol: Protocol | None = None
    otel_exporter_otlp_headers: Headers | None = None
    otel_exporter_otlp_traces_headers: Headers | None = None
    otel_exporter_otlp_timeout: Milliseconds = 10_000
    otel_exporter_otlp_traces_timeout: Milliseconds | None = None
    otel_exporter_otlp_compression: Annotated[Literal["none", "gzip"], _lower] = "none"
    otel_exporter_otlp_certificate: ExistingFile | None = None
    otel_service_name: str | None = None
    otel_resource_attributes: Annotated[str, AfterValidator(_pairs)] = ""
    otel_traces_sampler: Sampler = "parentbased_always_on"
    otel_traces_sampler_arg: float = Field(default=1.0, ge=0, le=1)
    otel_bsp_schedule_delay: Annotated[int, Field(gt=0)] = 5000
    otel_bsp_max_queue_size: Annotated[int, Field(gt=0, le=1_000_000)] = 2048
    otel_bsp_max_export_batch_size: Annotated[int, Field(gt=0)] = 512

    @field_validator("otel_bsp_max_export_batch_size")
    @classmethod
    def _fits_into_the_queue(cls, value: int, info: Any) -> int:
        if value > info.data.get("otel_bsp_max_queue_size", value):
            raise ValueError("must be at most OTEL_BSP_MAX_QUEUE_SIZE")
        return value

    @property
    def is_on(self) -> bool:
        """True if spans are to be made."""
        if self.otel_sdk_disabled or self.otel_traces_exporter == "none":
            return False
        return self.cause is not None

    @property
    def cause(self) -> str | None:
        """Return the variable that turns traces on, or None."""
        names = ("otel_exporter_otlp_traces_endpoint", "otel_exporter_otlp_endpoint", "otel_traces_exporter")
        return next((name.upper() for name in names if getattr(self, name) is not None), None)

    @property
    def endpoint(self) -> str:
        """Return the URL that spans are posted to. It may hold credentials: never log it as it is."""
        if self.otel_exporter_otlp_traces_endpoint is not None:
            return self.otel_exporter_otlp_traces_endpoint
        return f"{(self.otel_exporter_otlp_endpoint or DEFAULT_BASE).rstrip('/')}/{TRACES_PATH}"

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers that are sent along."""
        given = self.otel_exporter_otlp_traces_headers or self.otel_exporter_otlp_headers
        return {} if given is None else pairs(given.get_secret_value())

    @property
    def timeout_seconds(self) -> float:
        """Return how long one export may take."""
        return (self.otel_exporter_otlp_traces_timeout or self.otel_exporter_otlp_timeout) / 1000


class _Switch(BaseSettings):
    """`OTEL_SDK_DISABLED` alone: the specification knows `true`, and takes anything else for false."""

    model_config = OtelSettings.model_config
    otel_sdk_disabled: Annotated[str, _lower] = "false"


def load_otel_settings(**overrides: Any) -> OtelSettings:
    """Return the settings of traces. Raise `BadSetting` with one line for each variable that is wrong.

    With `OTEL_SDK_DISABLED=true` nothing else is read, so nothing else can be wrong.
    """
    try:
        if not overrides and not any(name.upper().startswith(PREFIX) for name in given_variables()):
            return OtelSettings.model_construct()
        if _Switch(**overrides).otel_sdk_disabled == "true":
            return OtelSettings.model_construct(otel_sdk_disabled=True)
        return OtelSettings(**overrides)
    except ValidationError as error:
        raise BadSetting("\n".join(complaint(item) for item in error.errors(include_url=False))) from None
    except UnicodeDecodeError:
        raise BadSetting("The file .env is not UTF-8. Save it as UTF-8, or remove it.") from None
