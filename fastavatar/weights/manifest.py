"""Detects weights files that differ from those first used."""

import hashlib
import json
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

from fastavatar.errors import FastAvatarError, WeightsError
from fastavatar.system import replacing

NAME = "manifest.json"
_DAMAGE = (OSError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
_MOST_BYTES = 1 << 20  # an entry takes about 200


class _Entry(TypedDict):
    sha256: str
    size: int
    mtime_ns: int


def verify(paths: list[Path], read_all: bool = False) -> dict[str, str]:
    """SHA-256 by file name of `paths`, files of one folder, after a comparison with its manifest.

    A file that is not in the manifest is used for the first time and recorded. Unless `read_all`, a file with
    the recorded size and time counts as unchanged. Raises `WeightsError` for a changed file.
    """
    manifest = paths[0].parent / NAME
    known = _read(manifest)
    entries = {path.name: _verified(path, known.get(path.name), read_all) for path in paths}
    if any(known.get(name) != entry for name, entry in entries.items()):
        _write(manifest, known | entries)
    return {name: entry["sha256"] for name, entry in entries.items()}


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _verified(path: Path, known: _Entry | None, read_all: bool) -> _Entry:
    status = path.stat()
    size, mtime_ns = status.st_size, status.st_mtime_ns
    if known and not read_all and (known["size"], known["mtime_ns"]) == (size, mtime_ns):
        return known
    found = sha256_of(path)
    if known and known["sha256"] != found:
        raise WeightsError(
            f"{path} was changed since it was first used (SHA-256 {found[:12]}…, recorded "
            f"{known['sha256'][:12]}…); fetch the weights again by force (`fastavatar weights fetch`), or "
            f"delete {path.parent / NAME} if you replaced it yourself"
        )
    return _Entry(sha256=found, size=size, mtime_ns=mtime_ns)


def _read(manifest: Path) -> dict[str, _Entry]:
    if not manifest.exists():
        return {}
    try:
        if manifest.stat().st_size > _MOST_BYTES:
            raise ValueError("too large")
        entries = json.loads(manifest.read_text("utf-8"))["files"]
        return {
            str(name): _Entry(sha256=str(e["sha256"]), size=int(e["size"]), mtime_ns=int(e["mtime_ns"]))
            for name, e in entries.items()
        }
    except _DAMAGE as error:
        raise WeightsError(f"{manifest} is damaged: delete it to record the weights again") from error


def _write(manifest: Path, entries: dict[str, _Entry]) -> None:
    # In a read-only folder nothing is recorded, and files are hashed at every use.
    with suppress(FastAvatarError), replacing(manifest) as partial:
        partial.write_text(json.dumps({"files": entries}, indent=2) + "\n")
