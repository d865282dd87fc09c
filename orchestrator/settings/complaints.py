"""Error messages for invalid settings, and settings as text without their secrets."""

from typing import Any

SECRETS = frozenset(
    {
        "redis_password", "redis_url", "events_database_url", "events_webhook_url", "events_webhook_secret",
        "twilio_auth_token", "twilio_auth_token_secondary", "signalwire_signing_key", "api_key", "api_keys",
        "seal_key", "llm_api_key",
        "routes_hook_secret", "otel_exporter_otlp_headers", "otel_exporter_otlp_traces_headers",
    }
)  # fmt: skip


def without_credentials(text: str) -> str:
    """Return `text` without the user, password and query of a URL, and without the password of a `sip:` address.

    A password may hold any character, so everything up to the last `@` counts as credentials.
    """
    scheme, separator, rest = text.partition("://")
    if separator:
        credentials, at, place = rest.rpartition("@")
        place, question, _ = place.partition("?")
        return f"{scheme}://{'***@' if credentials or at else ''}{place}{'?***' if question else ''}"
    if text[:5].lower().startswith(("sip:", "sips:")):
        address, at, host = text.rpartition("@")
        scheme, colon, user = address.partition(":")
        name, password, _ = user.partition(":")
        return f"{scheme}{colon}{name}:***{at}{host}" if password else text
    return text


def complaint(error: Any) -> str:
    """Return one line: the variable, what it got (unless that is secret), what it must be."""
    requirement = _requirement(error["type"], error.get("ctx", {}), error["msg"])
    name = str(error["loc"][0]).lower()
    is_hidden = name in SECRETS or error["input"] is None
    got = "" if is_hidden else f"got {without_credentials(str(error['input']))!r}; "
    return f"{name.upper()}: {got}it {requirement}"


def _requirement(kind: str, context: dict[str, Any], message: str) -> str:
    match kind:
        case "int_parsing" | "int_type" | "int_from_float":
            return "must be a whole number"
        case "float_parsing" | "float_type" | "finite_number":
            return "must be a number"
        case "bool_parsing" | "bool_type":
            return "must be true or false"
        case "literal_error":
            return f"must be {str(context['expected']).replace(chr(39), '')}"
        case "greater_than_equal":
            return f"must be at least {context['ge']:.12g}"
        case "greater_than":
            return f"must be more than {context['gt']:g}"
        case "less_than_equal":
            return f"must be at most {context['le']:.12g}"
        case "value_error":
            return str(context["error"])
        case _:
            return f"is wrong: {message}"
