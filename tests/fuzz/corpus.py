"""The corpus: for each target a folder of files, each with one input. What was found once is tried for ever."""

from hashlib import sha256
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def inputs_of(target: str) -> list[bytes]:
    """Return the inputs that are kept for the target, in the order of their names."""
    return [path.read_bytes() for path in sorted((CORPUS / target).glob("*"))]


def keep(target: str, data: bytes) -> Path:
    """Keep an input that was found to be bad. Its name follows from its content."""
    path = CORPUS / target / f"found-{sha256(data).hexdigest()[:16]}"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
