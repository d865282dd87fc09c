"""Masks telephone numbers in the answers of the API, for keys that may not see them whole."""

from starlette.responses import Response

from orchestrator.masking import masked


def mask_numbers(response: Response) -> Response:
    """Return `response` with the addresses of people masked in its text. One that is sent in parts masks each."""
    if isinstance(response, MaskableResponse):
        response.is_masked = True
    elif response.body:
        response.body = masked(bytes(response.body).decode()).encode()
        response.headers["content-length"] = str(len(response.body))
    return response


class MaskableResponse(Response):
    """A response that is sent in parts. If `is_masked`, it masks the text of each: whole lines, so no number is cut."""

    is_masked = False
