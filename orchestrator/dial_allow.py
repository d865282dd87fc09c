"""`DIAL_ALLOW`: the prefixes of what the API may dial and agents write to, and what they may without this setting."""

import ipaddress
import string
from functools import cache
from typing import TYPE_CHECKING

from orchestrator.destinations import SipAddress, region_of

if TYPE_CHECKING:
    from phonenumbers import PhoneNumber

NORTH_AMERICA = frozenset({"US", "CA", "PR", "VI", "GU", "AS", "MP"})
"""Regions of +1 at domestic prices; the Caribbean's are not, and are often used for toll fraud."""
PRIVATE_NAMES = (
    "localhost", "local", "localdomain", "internal", "intranet", "private", "lan", "home", "corp", "arpa", "onion",
)  # fmt: skip
COSTLY = ("PREMIUM_RATE", "SHARED_COST", "PERSONAL_NUMBER", "PAGER")
_HOST_CHARACTERS = frozenset(string.ascii_lowercase + string.digits + ".:-_")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


def dial_prefixes(text: str) -> tuple[str, ...]:
    """Return the entries of `DIAL_ALLOW`. Raise ValueError for an invalid one."""
    entries = tuple("".join(entry.split()) for entry in text.split(",") if entry.strip())
    if not entries or not all(map(_is_entry, entries)):
        raise ValueError("must be prefixes, separated by commas, such as +46,+1212,sip:pbx.example.com,client:")
    return tuple(entry.lower() if entry.lower().startswith("sip:") else entry for entry in entries)


def _is_entry(entry: str) -> bool:
    scheme, colon, rest = entry.partition(":")
    if colon and scheme.lower() == "sip":
        return not rest or SipAddress.of(f"sip:{rest}") == SipAddress(rest.lower())
    if colon:
        return scheme == "client"
    return entry.startswith("+") and len(entry) <= 16 and set(entry[1:]) <= set(string.digits)


def objection(to: str, caller: str, allowed: tuple[str, ...] | None) -> str | None:
    """Return why `to` (E.164, `sip:` or `client:`) may not be dialled; None if it may.

    The sentence does not quote it. `caller` is our number; `allowed` the entries of `DIAL_ALLOW`, None without it: then
    ordinary numbers of the caller's own country, clients, and SIP addresses that are public may be dialled.
    """
    if to.startswith("+"):
        return _of_number(to, caller, allowed)
    if to.startswith("client:"):
        return None if allowed is None or any(to.startswith(entry) for entry in allowed) else _NOT_LISTED
    return _of_sip(to, allowed)


_NOT_LISTED = "DIAL_ALLOW does not list it."


def _of_number(to: str, caller: str, allowed: tuple[str, ...] | None) -> str | None:
    import phonenumbers

    try:
        parsed = phonenumbers.parse(to)
    except phonenumbers.NumberParseException:
        return "It is no telephone number."
    country = parsed.country_code or 0
    code = f"+{country}"
    listed = max((len(entry) for entry in allowed or () if entry.startswith("+") and to.startswith(entry)), default=0)
    is_network = phonenumbers.region_code_for_country_code(country) == "001"
    if listed > len(code) or (is_network and listed == len(code)):
        return None  # a prefix this long is explicit
    if is_network:
        return f"It is a satellite or a network without a country: list {code} in DIAL_ALLOW if you mean it."
    if _is_costly(to, phonenumbers.number_type(parsed)):
        return "It costs more than a call (premium rate or the like): list its prefix in DIAL_ALLOW if you mean it."
    if allowed is not None:
        return None if listed else _NOT_LISTED
    if not (phonenumbers.is_valid_number(parsed) or _is_fictional(to)):
        return "No telephone has such a number, as far as is known: list its prefix in DIAL_ALLOW if one has."
    if not _is_at_home(parsed, caller):
        return "It is in another country than our number: list its prefix in DIAL_ALLOW."
    return None


@cache
def _costly_types() -> frozenset[int]:
    from phonenumbers import PhoneNumberType

    return frozenset(getattr(PhoneNumberType, name) for name in COSTLY)


def _is_costly(to: str, kind: int) -> bool:
    return kind in _costly_types() or to.startswith(("+1900", "+1976")) or _is_local_premium(to)


def _is_local_premium(to: str) -> bool:
    """The exchange 976 in any area code of North America: charged like +1900, which phonenumbers does not know."""
    return to.startswith("+1") and to[5:8] == "976"


def _is_fictional(to: str) -> bool:
    """Numbers reserved for examples: the area code 555, and 555-01XX in every other of North America."""
    is_whole = to.startswith("+1") and len(to) == len("+12125550100")
    return is_whole and (to.startswith("+1555") or to[5:10] == "55501")


def _is_at_home(parsed: "PhoneNumber", caller: str) -> bool:
    import phonenumbers

    try:
        ours = phonenumbers.parse(caller)
    except phonenumbers.NumberParseException:
        return False
    if ours.country_code != parsed.country_code:
        return False
    if ours.country_code != 1:
        return True
    home = phonenumbers.region_code_for_number(ours) or region_of(caller)
    region = phonenumbers.region_code_for_number(parsed) or region_of(caller)
    return region == home or {region, home} <= NORTH_AMERICA


def _of_sip(to: str, allowed: tuple[str, ...] | None) -> str | None:
    address = SipAddress.of(to)
    if address is None:
        return "It is no SIP address."
    if any(not name.startswith("x-") for name in address.headers):
        return "Of the headers in a SIP address, only those that begin with X- are passed on."
    hosts = [address.host, *(value.strip("[]").lower() for name, value in address.parameters if name == "maddr")]
    for host in hosts:
        if allowed is not None and any(_is_under(host, entry[4:]) for entry in allowed if entry[4:] and _is_sip(entry)):
            continue
        if not is_public_host(host):
            return "Its host is in no public network: list it in DIAL_ALLOW (sip:host) if the provider can reach it."
        if allowed is not None and "sip:" not in allowed:
            return _NOT_LISTED
    return None


def _is_sip(entry: str) -> bool:
    return entry.startswith("sip:")


def _is_under(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def is_public_host(host: str) -> bool:
    """True if the host of a SIP address is a public address or may be the name of one."""
    host = host.rstrip(".")
    last = host.rpartition(".")[2]
    if set(host) - _HOST_CHARACTERS:
        return False
    if ":" in host or last.isdecimal() or last.startswith("0x"):  # inet_aton accepts more than the usual form
        try:
            return _is_public(ipaddress.ip_address(host))
        except ValueError:
            return False
    return "." in host and last not in PRIVATE_NAMES


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
        if address in _NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner:
            return _is_public(inner)
    return address.is_global and not address.is_multicast
