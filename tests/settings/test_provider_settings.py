"""How the provider's REST API is reached, and what stands for credentials where a simulator answers."""

import pytest

from orchestrator.settings import load_settings

REAL = {"twilio_account_sid": "AC1", "twilio_auth_token": "secret"}
SIMULATOR = "http://127.0.0.1:18000"


def test_without_credentials_there_is_no_api() -> None:
    settings = load_settings(twilio_auth_token="secret", public_base_url="https://agent.example")
    assert (settings.provider_credentials, settings.callback_base_url) == (None, "https://agent.example")


def test_a_simulator_on_this_machine_needs_no_credentials() -> None:
    settings = load_settings(twilio_api_base_url=SIMULATOR, port=8123)
    assert settings.provider_credentials == ("AC" + "0" * 32, "simulated")
    assert settings.callback_base_url == "http://127.0.0.1:8123"
    assert not settings.knows_a_provider, "webhooks stay unsigned"


def test_credentials_that_are_set_go_first() -> None:
    settings = load_settings(**REAL, twilio_api_base_url=SIMULATOR, public_base_url="https://agent.example")
    assert settings.provider_credentials == ("AC1", "secret")
    assert settings.callback_base_url == "https://agent.example"


@pytest.mark.parametrize("url", ["https://api.example", "http://127.0.0.1.evil.example", "http://10.0.0.1:18000"])
def test_no_other_machine_is_a_simulator(url: str) -> None:
    settings = load_settings(twilio_api_base_url=url)
    assert not settings.has_simulated_provider
    assert settings.provider_credentials is None
    assert settings.callback_base_url is None


def test_production_has_no_simulator() -> None:
    settings = load_settings(twilio_api_base_url=SIMULATOR, environment="production")
    assert not settings.has_simulated_provider
    assert settings.provider_credentials is None
