"""Reads the form in the body of a webhook."""

from urllib.parse import unquote_to_bytes

from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from web.body import media_type, read_body

FORM_TYPE = "application/x-www-form-urlencoded"
MAX_FIELDS = 200  # the provider sends about 30


async def read_form(request: Request) -> FormData:
    """Return the form of a webhook with its repeated names and empty values: the signature covers them."""
    if media_type(request) != FORM_TYPE:
        raise HTTPException(415, f"Send a form ({FORM_TYPE}).")
    return form_of(await read_body(request))


def form_of(body: bytes) -> FormData:
    """Return the fields of a form as it was sent. Answer 400 to what is not a form."""
    try:
        return FormData(_pairs(body.decode()))
    except UnicodeDecodeError:
        raise HTTPException(400, "The form is not UTF-8.") from None
    except ValueError:
        raise HTTPException(400, f"The body is not a form of at most {MAX_FIELDS} fields.") from None


def _pairs(text: str) -> list[tuple[str, str | UploadFile]]:
    """Return what a strict `urllib.parse.parse_qsl` would return, for half of its cost. Raise ValueError."""
    if not text:
        return []
    if text.count("&") >= MAX_FIELDS:
        raise ValueError("too many fields")
    spaced = text.replace("+", " ")
    return _plain_pairs(spaced) or _pairs_one_by_one(spaced)


def _plain_pairs(text: str) -> list[tuple[str, str | UploadFile]]:
    """Return the fields of `text`, decoded all at once; [] if that may be wrong, or anything is.

    Nothing is escaped in it that separates fields, as in nearly every form.
    """
    if "%" in text:
        if "%26" in text or "%3D" in text or "%3d" in text:
            return []
        try:
            text = unquote_to_bytes(text).decode()
        except UnicodeDecodeError:
            return []
    fields = text.split("&")
    pairs: list[tuple[str, str | UploadFile]] = [
        (name, value) for name, equals, value in [field.partition("=") for field in fields] if equals
    ]
    return pairs if len(pairs) == len(fields) else []


def _pairs_one_by_one(text: str) -> list[tuple[str, str | UploadFile]]:
    pairs: list[tuple[str, str | UploadFile]] = []
    for field in text.split("&"):
        name, equals, value = field.partition("=")
        if not equals:
            raise ValueError("a field without a value")
        if "%" in value:
            value = unquote_to_bytes(value).decode()
        if "%" in name:
            name = unquote_to_bytes(name).decode()
        pairs.append((name, value))
    return pairs
