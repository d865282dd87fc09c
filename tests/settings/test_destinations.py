"""Who can be dialled, who may be, and how they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.destinations import SipAddress, destination, number, region_of
from orchestrator.dial_allow import dial_prefixes, is_public_host, objection
from orchestrator.errors import BadSetting
from orchestrator.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch, tmp_path) -> None:
    """No variable of ours, and no `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(("written", "dialled"), [
    ("+15551234567", "+15551234567"), (" +1 (555) 123-4567 ", "+15551234567"), ("+1.555.123.4567", "+15551234567"),
    ("tel:+1-555-123-4567", "+15551234567"), ("+46 (0)8 123 456 78", "+46812345678"),
    ("+\u0661\u0665\u0665\u0665\u0661\u0662\u0663\u0664\u0665\u0666\u0667", "+15551234567"),
    ("sip:desk@pbx.example.com", "sip:desk@pbx.example.com"),
    ("SIPS:desk@h:5061;transport=tls", "sips:desk@h:5061;transport=tls"),
    ("sip:[2001:db8::1]", "sip:[2001:db8::1]"), ("client:ada_l", "client:ada_l"), ("Client:ada", "client:ada"),
])  # fmt: skip
def test_whom_one_can_dial_is_written_in_one_way(written: str, dialled: str) -> None:
    assert load_settings(transfer_to=written).transfer_to == dialled


@pytest.mark.parametrize("written", [
    "hello world", "5551234567", "+1", "+15551", "+155512345678901", "+15551234567 ext. 12", "+1-800-FLOWERS",
    "+266696687", "anonymous", "sip:", "sip:@host", "sip:a b@host", "sip:a@host:99999", "sip:a@[::1",
    "sip:a@ho\u00f6st",
    "client:", "client:ada lovelace", "https://example.com", "client:" + "a" * 300, "+1555123456" + "7" * 5000,
    "+15551234567,+15551234568",
])  # fmt: skip
def test_what_means_nobody_stops_the_process_at_start(written: str) -> None:
    with pytest.raises(BadSetting, match=r"TRANSFER_TO: .*it must be a number with its country"):
        load_settings(transfer_to=written)


def test_a_number_without_its_country_is_in_that_of_ours() -> None:
    settings = load_settings(transfer_to="08-123 456 78", twilio_from_number="+46 8 765 43 21")
    assert (settings.transfer_to, settings.twilio_from_number) == ("+46812345678", "+4687654321")


@given(st.text(max_size=60))
def test_whatever_is_written_nothing_raises_and_a_form_stays(text: str) -> None:
    found = destination(text, "US")
    assert found is None or destination(found) == found


@pytest.mark.parametrize(("e164", "region"), [
    ("+15551234567", "US"), ("+46812345678", "SE"), ("+881612345678", None), ("", None), (None, None), ("+", None),
])  # fmt: skip
def test_where_a_number_is_at_home(e164: str | None, region: str | None) -> None:
    assert region_of(e164) == region


def test_a_withheld_number_is_none() -> None:
    assert [number(text) for text in ("+266696687", "+7378742833", "+86282452253", "anonymous", "")] == [None] * 5


HOME = "+15551230000"


@pytest.mark.parametrize("to", [
    "+15558675310", "+12125550123", "+12025551234", "+14165550123", "+18005550199", "client:ada",
    "sip:ada@pbx.example.com", "sip:ada@8.8.8.8", "sip:ada@[2606:4700::1111]:5061;transport=tls?X-Order=7",
])  # fmt: skip
def test_without_a_list_ordinary_destinations_may_be_dialled(to: str) -> None:
    assert objection(to, HOME, None) is None


@pytest.mark.parametrize("to", [
    "+19005550123", "+19001234567", "+19002345678", "+881612345678", "+870773123456", "+88213123456", "+883510012345",
    "+979123456789", "+878101234567", "+18765551234", "+14735551234", "+46812345678", "+447012345678", "+9647701234567",
    "+12129761234", "+1212555010", "+121255501000", "+1555123456",
])  # fmt: skip
def test_without_a_list_costly_and_foreign_numbers_may_not_be_dialled(to: str) -> None:
    assert objection(to, HOME, None)


def test_a_costly_number_is_costly_at_home_too() -> None:
    assert objection("+449098790000", "+442079460000", None)
    assert objection("+447012345678", "+442079460000", None)
    assert objection("+442079460123", "+442079460000", None) is None


@pytest.mark.parametrize("host", [
    "10.0.0.5", "192.168.1.1", "172.16.0.9", "127.0.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "localhost",
    "pbx",
    "pbx.local", "pbx.internal", "pbx.lan", "printer.home.arpa", "[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.5]",
    "[64:ff9b::a00:5]", "[2002:a00:5::]", "2130706433", "0x7f000001", "0177.0.0.1", "127.1", "10.0.0.5.", "224.0.0.1",
])  # fmt: skip
def test_a_host_in_no_public_network_may_not_be_dialled(host: str) -> None:
    assert objection(f"sip:ada@{host}", HOME, None)
    assert objection(f"sip:ada@{host}:5060", HOME, ("sip:",))
    assert objection(f"sip:ada@pbx.example.com;maddr={host}", HOME, None)
    assert not is_public_host(host.strip("[]").rstrip("."))


@pytest.mark.parametrize("rest", [
    "10.0.0.5@", "10.0.0.5?x=@", "10.0.0.5;x=@", "10.0.0.5#@", "10.0.0.5/@", "[::1]@",
])  # fmt: skip
def test_an_address_in_which_two_readers_find_two_hosts_is_none(rest: str) -> None:
    assert SipAddress.of(f"sip:ada@{rest}pbx.example.com") is None
    assert SipAddress.of(f"sip:{rest}x@pbx.example.com") is None
    assert objection(f"sip:ada@{rest}pbx.example.com", HOME, ("sip:pbx.example.com",))


def test_a_parameter_that_leads_elsewhere_is_known_in_any_spelling() -> None:
    assert objection("sip:ada@pbx.example.com;m%61ddr=10.0.0.5", HOME, None)
    assert objection("sip:ada@pbx.example.com;maddr=10%2E0.0.5", HOME, None)


def test_a_header_that_leads_elsewhere_may_not_be_sent() -> None:
    assert objection("sip:ada@pbx.example.com?Route=%3Csip:10.0.0.5%3Blr%3E", HOME, None)


@pytest.mark.parametrize(("allowed", "to", "may"), [
    ("+46,+1212", "+46812345678", True), ("+46,+1212", "+12125550123", True), ("+46,+1212", "+13105550123", False),
    ("+46", "client:ada", False), ("+46", "sip:ada@pbx.example.com", False), ("client:", "client:ada", True),
    ("client:a", "client:bob", False), ("sip:", "sip:ada@pbx.example.com", True),
    ("sip:example.com", "sip:ada@pbx.example.com", True), ("sip:example.com", "sip:ada@badexample.com", False),
    ("sip:10.0.0.5", "sip:ada@10.0.0.5", True), ("+", "+4915112345678", True), ("+", "+881612345678", False),
    ("+881", "+881612345678", True), ("+1", "+19002345678", False), ("+1", "+19001234567", False),
    ("+1900", "+19002345678", True), ("+44", "+447012345678", False), ("+4470", "+447012345678", True),
    (" + 46 , ", "+46812345678", True),
    ("+1", "+12129761234", False), ("+1212976", "+12129761234", True),
])  # fmt: skip
def test_a_list_says_what_may_be_dialled(allowed: str, to: str, may: bool) -> None:
    assert (objection(to, HOME, dial_prefixes(allowed)) is None) == may


@pytest.mark.parametrize(
    "written", ["46", "0046", "+46x", "everything", "*", ",", "sip:a@b", "+\u0664\u0666", "tel:+46", "client"]
)
def test_a_list_that_means_nothing_stops_the_process_at_start(written: str) -> None:
    with pytest.raises(BadSetting, match=r"DIAL_ALLOW: .*it must be prefixes"):
        load_settings(dial_allow=written)


def test_a_sip_address_is_taken_apart() -> None:
    address = SipAddress.of("sip:ada:secret@PBX.Example.com:5060;Transport=tcp;lr?X-A=1&Subject=2")
    assert address == SipAddress("pbx.example.com", (("transport", "tcp"), ("lr", "")), ("x-a", "subject"))
