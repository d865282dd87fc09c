"""The worked example of docs/examples/front_desk: three agents on two numbers, called by phone."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.ingress import started_ingress

FRONT_DESK = Path(__file__).parents[2] / "docs" / "examples" / "front_desk"
RECEPTION, BILLING = "+15551230001", "+15551230002"
HOURS = "Mo-Su 06:00-22:00"


@pytest.fixture
def routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The example's routes, always open."""
    monkeypatch.syspath_prepend(str(FRONT_DESK))
    sys.modules.pop("front_desk", None)  # an example of another page may have this name
    yield written(tmp_path, "Mo-Su 00:00-24:00")
    sys.modules.pop("front_desk", None)


def written(directory: Path, hours: str) -> Path:
    text = (FRONT_DESK / "routes.toml").read_text()
    assert HOURS in text
    file = directory / "routes.toml"
    file.write_text(text.replace(HOURS, hours))
    return file


def spoken(document: Any) -> list[tuple[str, str]]:
    """Who says what: voice and words."""
    return [(say.attrib["voice"], say.text.strip()) for say in document.iter("Say")]


async def called(ingress: Any, number: str) -> Any:
    ingress.fields["To"] = number
    return await ingress.twiml("/twilio/voice", CallStatus="ringing")


async def answered(ingress: Any, document: Any, words: str) -> Any:
    return await ingress.twiml(document.find("Gather").attrib["action"], SpeechResult=words)


async def test_the_reception_hands_the_caller_to_billing_and_gets_them_back(routes: Path) -> None:
    async with started_ingress(routes=str(routes)) as ingress:
        document = await called(ingress, RECEPTION)
        [(voice, words)] = spoken(document)
        assert (voice, "the reception of North Clinic" in words) == ("Polly.Amy", True)
        document = await answered(ingress, document, "I have an invoice")
        assert spoken(document) == [
            ("Polly.Amy", "One moment, I connect you with billing."),
            ("Polly.Brian", "This is billing. What is the number of the invoice?"),
        ]
        document = await answered(ingress, document, "4711")
        assert spoken(document) == [
            ("Polly.Brian", "Invoice 4711 is paid."),
            ("Polly.Amy", "You are back at the reception. Is there anything else?"),
        ]
        document = await answered(ingress, document, "No, thank you.")
        assert spoken(document) == [("Polly.Amy", "Thank you for calling. Goodbye.")]
        state = await ingress.state()
        assert (state.agent, state.tenant, state.slots["number"]) == ("reception", "north", "4711")
        assert (len(state.turns), state.ended is not None) == (4, True)


async def test_the_other_number_is_answered_by_billing(routes: Path) -> None:
    async with started_ingress(routes=str(routes)) as ingress:
        assert spoken(await called(ingress, BILLING)) == [("Polly.Brian", "This is billing. Which invoice is it?")]


async def test_at_night_nobody_is_there(routes: Path, tmp_path: Path) -> None:
    written(tmp_path, "Mo 00:00-00:01")
    async with started_ingress(routes=str(routes)) as ingress:
        document = await called(ingress, RECEPTION)
        heard = spoken(document)
    if heard[0][0] == "Polly.Amy":
        pytest.skip("it is the one minute of the week")
    assert heard == [("Polly.Emma", "We are closed. Please call again in the morning.")]
