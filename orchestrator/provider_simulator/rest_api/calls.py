"""The resource `Calls`: live calls are looked up, sent to another document, and ended; placed calls are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from orchestrator.provider_simulator.identity import CallIdentity, new_call_sid
from orchestrator.provider_simulator.rest_api.resources import Refusal, Resource, not_found, now, shown_date
from orchestrator.provider_simulator.twiml import Method

RESOURCE_NOT_FOUND = 20404
NOT_IN_PROGRESS = 21220

CallStatus = Literal["queued", "ringing", "in-progress", "completed", "busy", "no-answer", "failed", "canceled"]
OVER = frozenset({"completed", "busy", "no-answer", "failed", "canceled"})


@dataclass(frozen=True, slots=True)
class CallUpdate:
    """What replaces whatever a live call does: the document at `url`, the document `twiml`, or its end."""

    url: str = ""
    method: Method = "POST"
    twiml: str = ""
    hangs_up: bool = False


class LiveCall(Protocol):
    """A call that the API can change."""

    identity: CallIdentity

    @property
    def status(self) -> CallStatus:
        """How the call stands."""

    def update(self, update: CallUpdate) -> None:
        """Replace what the call does. It happens soon after; the API does not wait for it."""


@dataclass
class LiveCalls:
    """The calls of the account. `placed` and `updated` are the forms that came, in order.

    `code_when_over` is how an update of a call that is over is refused: Twilio has answered both 20404 and 21220.
    """

    code_when_over: int = RESOURCE_NOT_FOUND
    placed: list[dict[str, str]] = field(default_factory=list)
    updated: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    _calls: dict[str, LiveCall] = field(default_factory=dict, init=False)
    _placed_sids: dict[str, dict[str, str]] = field(default_factory=dict, init=False)

    def add(self, call: LiveCall) -> None:
        """Let the API find this call, also after its end."""
        self._calls[call.identity.call_sid] = call

    def remove(self, call_sid: str) -> None:
        """Forget a call."""
        self._calls.pop(call_sid, None)

    def create(self, form: Mapping[str, str]) -> Resource:
        """Place a call that nobody answers: it stays queued until the server ends it."""
        if not form.get("To"):
            raise Refusal(400, 21201, "No 'To' number is specified")
        if not form.get("From"):
            raise Refusal(400, 21213, "No 'From' number is specified")
        self.placed.append(dict(form))
        call_sid = new_call_sid()
        self._placed_sids[call_sid] = dict(form)
        return self.fetch(call_sid)

    def fetch(self, call_sid: str) -> Resource:
        """Return a call. Raise `Refusal`."""
        call = self._calls.get(call_sid)
        if call is not None:
            who = call.identity
            return _resource(call_sid, who.from_number, who.to_number, who.direction, call.status)
        form = self._placed_sids.get(call_sid)
        if form is None:
            raise not_found(f"/Calls/{call_sid}.json")
        return _resource(call_sid, form["From"], form["To"], "outbound-api", form.get("Status", "queued"))

    def update(self, call_sid: str, form: Mapping[str, str]) -> Resource:
        """Change a call. Raise `Refusal`."""
        self.updated.append((call_sid, dict(form)))
        update = _update(form)
        if call_sid in self._placed_sids and update.hangs_up:
            self._placed_sids[call_sid]["Status"] = form["Status"]
            return self.fetch(call_sid)
        call = self._calls.get(call_sid)
        if call is None:
            raise not_found(f"/Calls/{call_sid}.json")
        if call.status in OVER:
            raise self._over(call_sid)
        if call.status != "in-progress" and not update.hangs_up:
            raise Refusal(400, NOT_IN_PROGRESS, "Unable to update record: Call is not in-progress. Cannot redirect.")
        call.update(update)
        return self.fetch(call_sid)

    def _over(self, call_sid: str) -> Refusal:
        if self.code_when_over == RESOURCE_NOT_FOUND:
            return not_found(f"/Calls/{call_sid}.json")
        return Refusal(400, self.code_when_over, "Unable to update record: Call is not in-progress. Cannot redirect.")


def _update(form: Mapping[str, str]) -> CallUpdate:
    method = form.get("Method", "POST").upper()
    if method not in ("GET", "POST"):
        raise Refusal(400, 21218, "Invalid Method")
    if form.get("Status"):
        if form["Status"] not in ("completed", "canceled"):
            raise Refusal(400, 21218, f"Invalid Status: {form['Status']}")
        return CallUpdate(hangs_up=True)
    url = form.get("Url", "")
    if url and not url.startswith(("http://", "https://")):
        raise Refusal(400, 21205, f"Url is not a valid URL: {url}")
    if not url and not form.get("Twiml"):
        raise Refusal(400, 21218, "No Url, Twiml or Status is given")
    return CallUpdate(url, "GET" if method == "GET" else "POST", form.get("Twiml", ""))


def _resource(call_sid: str, from_number: str, to_number: str, direction: str, status: str) -> Resource:
    return {
        "sid": call_sid,
        "from": from_number,
        "to": to_number,
        "direction": direction,
        "status": status,
        "date_updated": shown_date(now()),
        "api_version": "2010-04-01",
    }
