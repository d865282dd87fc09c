"""Pieces of replies that may repeat what sensitive turns brought: encrypted on their way to the ingress."""

import json
from dataclasses import replace
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter

from orchestrator.conversation.actions import InlineAction
from orchestrator.encryption.cipher import Cipher
from orchestrator.errors import UnreadableSeal
from orchestrator.turns.messages import Piece

_ACTIONS: TypeAdapter[tuple[InlineAction, ...]] = TypeAdapter(
    tuple[Annotated[InlineAction, Field(discriminator="type")], ...], config=ConfigDict(defer_build=True)
)


def sealed_piece(piece: Piece, call_sid: str, cipher: Cipher) -> Piece:
    """Return `piece` with its text and actions encrypted in `sealed_words`."""
    content = {"text": piece.text, "actions": [action.model_dump(mode="json") for action in piece.actions]}
    sealed = cipher.seal(_place(call_sid), json.dumps(content, separators=(",", ":")).encode())
    return replace(piece, text="", actions=(), sealed_words=sealed.decode())


def opened_piece(piece: Piece, call_sid: str, cipher: Cipher | None) -> Piece | None:
    """Return `piece` as the caller hears it; None if it cannot be opened here: the result will have it."""
    if not piece.sealed_words:
        return piece
    try:
        content = json.loads(cipher.open(_place(call_sid), piece.sealed_words.encode())) if cipher is not None else None
    except UnreadableSeal:
        return None
    if content is None:
        return None
    actions = _ACTIONS.validate_python(content["actions"])
    return replace(piece, text=content["text"], actions=actions, sealed_words="")


def _place(call_sid: str) -> str:
    return f"{call_sid}/piece"
