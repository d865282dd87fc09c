"""`TwimlResponse`: an HTTP answer that holds TwiML."""

from starlette.responses import Response


class TwimlResponse(Response):
    """TwiML as `text/xml`, never as `text/plain`, which Twilio would read aloud."""

    media_type = "text/xml"
