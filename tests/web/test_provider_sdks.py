"""Our signature checks compared with those of each provider's own SDK: both accept and refuse the same requests."""

import base64
import hashlib
import hmac
import random
import time
from dataclasses import dataclass, replace
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.exceptions import HTTPException
from starlette.requests import Request
from support.ingress import TOKEN, settings_with
from twilio.request_validator import RequestValidator

from web.form import FORM_TYPE, form_of
from web.providers.signalwire import SignalWireSignatures
from web.providers.telnyx import TelnyxSignatures
from web.twilio.signature import TwilioSignatures

pytestmark = pytest.mark.slow

KEY = "PSK_signing_key"
PRIVATE = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = base64.b64encode(PRIVATE.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
BODIES = [
    "CallSid=CA1&CallStatus=ringing", "CallSid=CA1&Empty=&From=%2B15558675310", "CallSid=CA1&Tag=b&Tag=a&Tag=b&A=1",
    "CallSid=CA1&SpeechResult=hej+d%C3%A5+%26+hej", "b=2&a=1&CallSid=x&B=3&aa=4", "CallSid=CA1&x=&x=&x=1",
]  # fmt: skip
JSON_BODIES = ['{"CallSid":"CA1"}', '{"CallSid": "CA1", "n": 3, "text": "dĂĽ"}', "{}"]
BASES = [
    "https://calls.example", "https://calls.example:443", "http://calls.example:80", "https://calls.example:8443",
    "http://[2001:db8::1]:8000", "https://calls.example/agents",
]  # fmt: skip


@dataclass(frozen=True)
class Delivery:
    """A webhook as it arrives at a server that is known under `base`."""

    base: str
    path: str
    query: str
    body: str
    headers: tuple[tuple[str, str], ...]
    media_type: str = FORM_TYPE

    @property
    def url(self) -> str:
        return f"{self.base}{self.path}" + (f"?{self.query}" if self.query else "")

    @property
    def fields(self) -> dict[str, Any]:
        return dict(self.headers)

    def request(self) -> Request:
        raw = [(b"host", httpx.URL(self.base).netloc), (b"content-type", self.media_type.encode())]
        raw += [(name.encode(), value.encode()) for name, value in self.headers]
        scope = {
            "type": "http", "method": "POST", "scheme": "http", "server": ("127.0.0.1", 80), "path": self.path,
            "raw_path": self.path.encode(), "query_string": self.query.encode(), "headers": raw,
            "client": ("10.0.0.1", 1),
        }  # fmt: skip
        return Request(scope)


def accepts(judge: Any, delivery: Delivery, *arguments: Any) -> bool:
    try:
        judge(delivery.request(), *arguments)
    except HTTPException:
        return False
    return True


def in_hex(key: str, text: str, algorithm: str = "sha1") -> str:
    return hmac.new(key.encode(), text.encode(), algorithm).hexdigest()


def in_base64(key: str, text: str) -> str:
    return base64.b64encode(hmac.digest(key.encode(), text.encode(), "sha1")).decode()


def in_order(body: str) -> str:
    pairs = parse_qsl(body, keep_blank_values=True)
    return "".join(name + value for name, value in sorted(pairs, key=lambda pair: pair[0]))


def signalwire_deliveries() -> list[Delivery]:
    """Return valid requests of every kind that SignalWire sends, for every spelling of the URL."""
    found = []
    for base in BASES:
        for body in [*BODIES, *JSON_BODIES]:
            is_json = body.startswith("{")
            plain = Delivery(base, "/signalwire/voice", "", body, (), "application/json" if is_json else FORM_TYPE)
            digest = hashlib.sha256(body.encode()).hexdigest()
            hashed = replace(plain, query=f"foo=1&bodySHA256={digest}")
            for delivery in (plain, hashed, replace(plain, query="foo=1&bar=%C3%A4")):
                for name in ("x-signalwire-signature", "x-twilio-signature"):
                    found.append(with_signature(delivery, name, in_hex(KEY, delivery.url + body)))
                    for spelt in spellings(delivery.url):
                        if not is_json:
                            found.append(with_signature(delivery, name, in_base64(KEY, spelt + in_order(body))))
                        if delivery is hashed:
                            found.append(with_signature(delivery, name, in_base64(KEY, spelt)))
                sha256 = in_hex(KEY, delivery.url + body, "sha256")
                found.append(with_signature(delivery, "x-signalwire-sha256-signature", sha256))
                also = (("x-signalwire-sha256-signature", sha256), ("x-signalwire-signature", "wrong"))
                found.append(replace(delivery, headers=also))
    return found


def with_signature(delivery: Delivery, name: str, value: str) -> Delivery:
    return replace(delivery, headers=((name, value),))


def spellings(url: str) -> set[str]:
    """Return the URL with the default port, and without it."""
    other = url.replace("calls.example:443", "calls.example").replace("calls.example:80/", "calls.example/")
    if other == url and "calls.example:" not in url:
        port = ":443" if url.startswith("https") else ":80"
        other = url.replace("calls.example", f"calls.example{port}")
    return {url, other}


def spoilt(delivery: Delivery, dice: random.Random) -> Delivery:
    """Return the request with one thing changed: the signed content, the signature, or its header."""
    name, value = delivery.headers[0]
    match dice.randrange(6):
        case 0:
            return replace(delivery, body=delivery.body[:-1] + ("x" if delivery.body[-1] != "x" else "y"))
        case 1:
            return replace(delivery, query=delivery.query + "&more=1")
        case 2:
            return replace(delivery, path=delivery.path + "/")
        case 3:
            at = dice.randrange(len(value))
            return with_signature(delivery, name, value[:at] + ("A" if value[at] != "A" else "B") + value[at + 1 :])
        case 4:
            return with_signature(delivery, "x-other-signature", value)
        case _:
            return with_signature(delivery, name, value[::-1])


def by_signalwires_sdk(delivery: Delivery) -> bool:
    from signalwire.core.security.webhook_middleware import validate

    return validate("POST", delivery.url, delivery.fields, delivery.body, signing_key=KEY) is None


@cache
def checks_at(base: str) -> TwilioSignatures:
    return TwilioSignatures(settings_with(public_base_url=base))


@cache
def signalwire_at(base: str) -> SignalWireSignatures:
    return SignalWireSignatures(settings_with(signalwire_signing_key=KEY), checks_at(base).public_url)


def by_us_as_signalwire(delivery: Delivery) -> bool:
    judge = signalwire_at(delivery.base).check
    form = form_of(b"" if delivery.body.startswith("{") else delivery.body.encode())
    return accepts(judge, delivery, form, delivery.body.encode())


def test_what_signalwires_sdk_accepts_is_accepted() -> None:
    deliveries = signalwire_deliveries()
    assert len(deliveries) > 500
    for delivery in deliveries:
        assert by_signalwires_sdk(delivery), delivery
        assert by_us_as_signalwire(delivery), delivery


def test_what_signalwires_sdk_refuses_is_refused() -> None:
    dice = random.Random(7)
    refused = 0
    for delivery in signalwire_deliveries():
        changed = spoilt(delivery, dice)
        assert by_us_as_signalwire(changed) <= by_signalwires_sdk(changed), changed
        refused += not by_us_as_signalwire(changed)
    assert refused > 400


def test_a_signature_of_the_url_alone_is_good_for_no_body_though_signalwires_sdk_takes_it() -> None:
    delivery = Delivery(BASES[0], "/signalwire/voice", "foo=1", BODIES[0], ())
    delivery = with_signature(delivery, "x-signalwire-signature", in_base64(KEY, delivery.url))
    assert by_signalwires_sdk(delivery)
    assert not by_us_as_signalwire(delivery)


def test_a_form_whose_url_names_the_hash_of_another_is_refused() -> None:
    delivery = Delivery(BASES[0], "/signalwire/voice", f"bodySHA256={'0' * 64}", BODIES[0], ())
    delivery = with_signature(
        delivery, "x-signalwire-signature", in_base64(KEY, delivery.url + in_order(delivery.body))
    )
    assert not by_signalwires_sdk(delivery)
    assert not by_us_as_signalwire(delivery)


def with_header(delivery: Delivery, name: str, value: str) -> Delivery:
    return replace(delivery, headers=tuple({**delivery.fields, name: value}.items()))


def telnyx_delivery(body: str, at: float) -> Delivery:
    timestamp = str(int(time.time() + at))
    signature = base64.b64encode(PRIVATE.sign(f"{timestamp}|{body}".encode())).decode()
    given = {"telnyx-timestamp": timestamp, "telnyx-signature-ed25519": signature}
    return Delivery(BASES[0], "/telnyx/voice", "", body, tuple(given.items()))


def by_telnyxs_sdk(delivery: Delivery) -> bool:
    from telnyx.lib.webhook_verification import WebhookVerificationError, verify_webhook_signature

    try:
        verify_webhook_signature(delivery.body, delivery.fields, PUBLIC)
    except WebhookVerificationError:
        return False
    return True


def by_us_as_telnyx(delivery: Delivery) -> bool:
    judge = TelnyxSignatures(
        settings_with(telnyx_public_key=PUBLIC), TwilioSignatures(settings_with()).public_url
    ).check
    return accepts(judge, delivery, form_of(b""), delivery.body.encode())


@pytest.mark.parametrize("body", [*BODIES, *JSON_BODIES, ""])
@pytest.mark.parametrize("at", [0, -250, 250, -400, 400])
def test_telnyxs_sdk_judges_as_we_do(body: str, at: float) -> None:
    good = telnyx_delivery(body, at)
    assert by_us_as_telnyx(good) == by_telnyxs_sdk(good) == (abs(at) < 300)
    signature = good.fields["telnyx-signature-ed25519"]
    later = str(int(good.fields["telnyx-timestamp"]) + 1)
    for bad in (
        replace(good, body=body + "x"),
        with_header(good, "telnyx-timestamp", later),
        with_header(good, "telnyx-timestamp", "soon"),
        with_header(good, "telnyx-signature-ed25519", signature[4:] + "AAAA"),
        with_header(good, "telnyx-signature-ed25519", ""),
        with_header(good, "telnyx-signature-ed25519", "%%%"),
    ):
        assert not by_us_as_telnyx(bad)
        assert not by_telnyxs_sdk(bad)


def by_twilios_sdk(delivery: Delivery) -> bool:
    signature = delivery.fields.get("x-twilio-signature", "")
    return bool(RequestValidator(TOKEN).validate(delivery.url, form_of(delivery.body.encode()), signature))


def by_us_as_twilio(delivery: Delivery) -> bool:
    return accepts(checks_at(delivery.base).check, delivery, form_of(delivery.body.encode()))


def test_twilios_sdk_judges_as_we_do() -> None:
    dice = random.Random(3)
    for base in BASES:
        for body in BODIES:
            for query in ("", "foo=1&bar=2", urlencode({"held": "ä b+c"})):
                plain = Delivery(base, "/twilio/turn/1", query, body, ())
                signature = RequestValidator(TOKEN).compute_signature(plain.url, form_of(body.encode()))
                good = with_signature(plain, "x-twilio-signature", signature)
                assert by_us_as_twilio(good)
                assert by_twilios_sdk(good)
                for _ in range(6):
                    bad = spoilt(good, dice)
                    assert by_us_as_twilio(bad) == by_twilios_sdk(bad), bad
