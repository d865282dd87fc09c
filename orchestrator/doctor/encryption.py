"""The judgement of encryption keys: whether every worker can read what the others write."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from orchestrator.doctor.finding import Finding
from orchestrator.encryption.keys import PLAIN, KeyList

CHECK = "encryption"
SAME = "Give all web and worker processes the same STATE_ENCRYPTION_KEYS, and restart them one by one."


def judge_encryption(keys: KeyList, workers: Sequence[Mapping[str, Any]]) -> Iterator[Finding]:
    """Yield the findings about keys; none if nobody has any. `keys` are those of the settings here."""
    known = {str(worker.get("id")): _ids(worker.get("keys")) or [PLAIN] for worker in workers}
    missing = sorted({key for worker in workers for key in _ids(worker.get("missing_keys"))})
    here = keys.ids or [PLAIN]
    if not keys.all and all(ids == [PLAIN] for ids in known.values()):
        return
    if missing:
        yield Finding(
            CHECK, "problem", f"Workers found values under the keys {', '.join(missing)}, which they do not have: "
            "their turns wait for a worker that has them.", SAME,
        )  # fmt: skip
    unread = sorted(worker for worker, ids in known.items() if here[0] not in ids)
    refused = sorted(worker for worker, ids in known.items() if ids[0] not in here)
    if unread:
        yield Finding(
            CHECK, "problem", f"{_workers(unread)} cannot read what is written with the settings here.",
            "A key is added at the end first, in all processes, and then moved to the front. " + SAME,
        )  # fmt: skip
    if refused:
        yield Finding(CHECK, "problem", f"What {_workers(refused)} writes cannot be read with the settings here.", SAME)
    if not missing and not unread and not refused:
        yield from _agreed(here, known)


def _agreed(here: list[str], known: dict[str, list[str]]) -> Iterator[Finding]:
    if here[0] == PLAIN:
        yield Finding(
            CHECK, "note", "There are encryption keys, and nothing is encrypted yet, as plain stands first.",
            "Once all processes have the key, let it stand first, then run `voiceagent encryption rotate`.",
        )  # fmt: skip
    elif PLAIN in here:
        yield Finding(
            CHECK, "warning", "What is not encrypted is read, too.",
            "Run `voiceagent encryption rotate`; when nothing is left, take plain out of STATE_ENCRYPTION_KEYS.",
        )  # fmt: skip
    else:
        yield Finding(CHECK, "ok", f"All {len(known)} workers can read what the settings here encrypt.")


def _ids(found: object) -> list[str]:
    return [str(key) for key in found] if isinstance(found, list) else []


def _workers(names: Sequence[str]) -> str:
    return f"worker {names[0]}" if len(names) == 1 else f"{len(names)} workers ({', '.join(names[:3])})"
