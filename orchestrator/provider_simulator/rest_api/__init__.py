"""The simulated provider's REST API, on loopback: live calls are changed through it, and text messages sent.

    async with serve_rest_api(RestApi(account_sid, auth_token)) as api:
        api.calls.add(line)                      # a `PhoneLine`, or whatever else is a `LiveCall`
        api.fail("create_message", Fault.answer_lost())
        ...                                      # the product, with TWILIO_API_BASE_URL=api.url
        assert [message.body for message in api.messages.sent] == ["See you on Tuesday."]

It answers as Twilio documents it, so that the `twilio` library is satisfied, and fails as it is told.
"""

from orchestrator.provider_simulator.rest_api.api import RestApi, serve_rest_api
from orchestrator.provider_simulator.rest_api.calls import CallUpdate, LiveCall, LiveCalls
from orchestrator.provider_simulator.rest_api.faults import Fault, Operation
from orchestrator.provider_simulator.rest_api.messages import SentMessage, SentMessages

__all__ = [
    "CallUpdate",
    "Fault",
    "LiveCall",
    "LiveCalls",
    "Operation",
    "RestApi",
    "SentMessage",
    "SentMessages",
    "serve_rest_api",
]
