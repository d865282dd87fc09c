"""What may go wrong at the provider, as one exception: without the account, the address and the secrets."""

from collections.abc import Callable
from typing import TypeVar

from orchestrator.errors import VoiceAgentError

T = TypeVar("T")

BAD_ANSWER = "The provider's answer makes no sense."
NEVER_SENT = ("NewConnectionError", "NameResolutionError")
"""In the repr of an error of `requests`: the connection was never made."""


class ProviderError(VoiceAgentError):
    """The provider did not do what it was asked. `status` is the HTTP status that a client of ours gets.

    - `is_unknown`: it may have done it all the same, for example when its answer was lost;
    - `is_temporary`: it surely has not, and may do it later, after `retry_after` seconds if it says so;
    - `code` is the provider's own number of the error (Twilio's list of them), if it gave one.
    """

    def __init__(
        self,
        message: str,
        status: int,
        *,
        is_unknown: bool = False,
        is_temporary: bool = False,
        code: int | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.is_unknown = is_unknown
        self.is_temporary = is_temporary
        self.code = code
        self.retry_after = retry_after


class Throttled(Exception):
    """The provider answered 429 or 503. It has done nothing. The transport raises this, since the library's own error
    does not have the header `Retry-After`."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(status)
        self.status = status
        self.retry_after = retry_after


def translated(request: Callable[[], T], what: str) -> T:
    """Run `request` in a thread and return its result. Raise `ProviderError`. `what` it is about: call or message."""
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from requests.exceptions import ConnectTimeout, RequestException
    from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException

    try:
        return request()
    except TwilioRestException as error:
        raise _refusal(error.status, error.code, str(error.msg), what) from None
    except TwilioServiceException as error:
        raise _refusal(error.status, error.code, str(error.detail or error.title), what) from None
    except TwilioException as error:  # a page of a list: the answer is beside the message
        status = getattr(error.args[-1], "status_code", None)
        raise (_refusal(status, None, "", what) if isinstance(status, int) else _nonsense()) from None
    except Throttled as error:
        raise _throttling(error, what) from None
    except ConnectTimeout:
        raise ProviderError("The provider cannot be reached.", 504, is_temporary=True) from None
    except RequestsConnectionError as error:
        was_sent = not any(name in repr(error) for name in NEVER_SENT)
        message = "The connection to the provider failed."
        raise ProviderError(message, 502, is_unknown=was_sent, is_temporary=not was_sent) from None
    except RequestException:
        raise ProviderError("The provider does not answer.", 504, is_unknown=True) from None
    except ProviderError:
        raise
    except Exception:  # the library does not check what it gets: any exception may follow
        raise _nonsense() from None


def _nonsense() -> ProviderError:
    return ProviderError(BAD_ANSWER, 502, is_unknown=True)


def _throttling(error: Throttled, what: str) -> ProviderError:
    if error.status == 429:
        message, status = f"The provider takes no more {what}s at the moment. Try again.", 503
    else:
        message, status = f"The provider failed ({error.status}).", 502
    return ProviderError(message, status, is_temporary=True, code=error.status, retry_after=error.retry_after)


def _refusal(status: int, code: int | None, message: str, what: str) -> ProviderError:
    if status in (401, 403):
        sentence = "The provider refuses the credentials. Check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN."
        return ProviderError(sentence, 502, code=code)
    if 400 <= status < 500:
        said = message.removeprefix("Unable to create record: ").strip()[:300]
        return ProviderError(f"The provider refuses the {what}: {said} ({code or status})", 422, code=code)
    return ProviderError(f"The provider failed ({status}).", 502, is_unknown=True, code=code)
