"""A return whose webhook failed: the provider requests the fallback URL, and names the failed one in `ErrorUrl`.

The caller was connected or recorded by then. They must not be connected again, as after a document that was lost.
"""

from dataclasses import replace
from urllib.parse import parse_qsl, urlsplit

from web.twilio.transfer.way_back import LEFT, way_back_of
from web.twilio.voice_request import VoiceRequest

MOST_FIELDS = 40
LONGEST_URL = 20_000


def failed_return(request: VoiceRequest) -> VoiceRequest | None:
    """Return the request as it was made to the failed URL of a return; None if the fallback is about another webhook.

    Its path is that of a turn if `number` is not "0". `error_code` is "": no document of ours was lost.
    """
    url = request.form.get("ErrorUrl", "")
    if not request.error_code or f"{LEFT}=" not in url or len(url) > LONGEST_URL:
        return None
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, max_num_fields=MOST_FIELDS))
    except ValueError:
        return None
    if way_back_of(query) is None:
        return None
    *_, parent, last = ["", *parts.path.split("/")]
    return replace(request, number=last if parent == "turn" else "0", query=query, error_code="")


def says_outcome(request: VoiceRequest) -> bool:
    """True if the fallback brings what the failed request said about the transfer or the recording."""
    way = way_back_of(request.query)
    return (way is not None and bool(way.status)) or bool({"DialCallStatus", "RecordingUrl"} & request.form.keys())
