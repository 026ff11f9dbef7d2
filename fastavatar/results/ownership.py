"""Finds out which files in a folder this program has written, and which must not be overwritten.

A summary lists the size and SHA-256 of each file beside it. A file is taken for this program's own if it has
a name that results can have and the listed size and checksum; the summary states a checksum of its own
fields. Nothing else is ever replaced or deleted, and folders and links never are.
"""

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from fastavatar.errors import OverwriteError, UsageError
from fastavatar.results import HEAD, MESH_FILES, PREVIEW, SPLATS, SUMMARY, TURNTABLE, VIEWER

CHECKSUM_FIELD = "summary_sha256"
_USUAL_NAMES = frozenset({SPLATS, PREVIEW, SUMMARY})
_FIXED_NAMES = _USUAL_NAMES.union([HEAD, TURNTABLE, VIEWER], *MESH_FILES.values())
_LARGEST_SUMMARY = 16_000_000
"""Bytes of the largest summary that is read; one of a thousand photos has 1 MB."""


class ResultsExist(OverwriteError):
    """Existing results, which may be overwritten if the user allows it."""


@dataclass(frozen=True)
class Written:
    """Size and checksum of a file when it was written."""

    bytes: int
    sha256: str
    """SHA-256 in hexadecimal digits."""

    @classmethod
    def of(cls, path: Path) -> Self:
        """Size and checksum of the file at `path`."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256")
            return cls(os.fstat(file.fileno()).st_size, digest.hexdigest())


def checksum_of(summary: Mapping[str, Any]) -> str:
    """SHA-256, in hexadecimal digits, of all fields of a summary except `summary_sha256`, which holds it.

    It is taken over JSON with sorted keys, so that a file with other line breaks or order has the same one.
    """
    fields = {name: value for name, value in summary.items() if name != CHECKSUM_FIELD}
    return hashlib.sha256(json.dumps(fields, sort_keys=True).encode()).hexdigest()


def files_of_summary(text: bytes) -> Mapping[str, Written] | None:
    """The files that a summary lists, itself excluded.

    None for a file that no run of this program wrote, and for a summary that was edited since.
    """
    try:
        found = json.loads(text)
        own = "fastavatar" in found["versions"] and found[CHECKSUM_FIELD] == checksum_of(found)
        listed = {str(name): Written(**values) for name, values in found["checksums"].items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return {name: written for name, written in listed.items() if _can_be_result(name)} if own else None


def own_results(folder: Path) -> set[str]:
    """Names of the files in `folder` that are unchanged since the run with the summary there wrote them."""
    listed = _listed(folder)
    if listed is None:
        return set()
    return {SUMMARY, *(name for name, written in listed.items() if _is_unchanged(folder / name, written))}


def require_replaceable(folder: Path, overwrite: bool, names: Iterable[str] = ()) -> set[str]:
    """Names of the existing results in `folder`, after a check that new results may replace all of them.

    New results have the usual names and `names`. Raises `ResultsExist` for existing files of these names when
    `overwrite` is off, `OverwriteError` for one that is not this program's own.
    """
    own = own_results(folder)
    taken = own | {name for name in _USUAL_NAMES.union(names) if os.path.lexists(folder / name)}
    if taken and not overwrite:
        raise ResultsExist(
            f"{folder} holds results already ({', '.join(sorted(taken))}); "
            "choose another folder or allow overwriting"
        )
    if foreign := sorted(taken - own):
        raise OverwriteError(
            f"{folder} holds {', '.join(foreign)}, not written by this program or changed since: "
            "move that away, or choose another folder"
        )
    return taken


def require_apart(inputs: Iterable[str | Path], outputs: Iterable[str | Path]) -> None:
    """Raise `UsageError` if an output is also an input under any name: links and `..` are followed.

    Outputs that do not exist yet cannot be inputs. Inputs that do not exist are not an error here.
    """
    read = {(found.st_dev, found.st_ino): path for path in inputs if (found := _status(path))}
    for output in outputs:
        found = _status(output)
        if found and (source := read.get((found.st_dev, found.st_ino))) is not None:
            also = "" if str(source) == str(output) else f" ({source})"
            raise UsageError(
                f"the output {output} would overwrite an input{also}: choose another place for the output"
            )


def places_of_results(folder: Path, names: Iterable[str] = ()) -> list[Path]:
    """Paths of results in `folder`: the usual names, `names`, and existing results."""
    return sorted(folder / name for name in own_results(folder).union(_USUAL_NAMES, names))


def _can_be_result(name: str) -> bool:
    """Whether a result can have this name: a usual one, or `<name>.npy` for an array of a model."""
    return name in _FIXED_NAMES or (name.endswith(".npy") and Path(name).name == name)


def _listed(folder: Path) -> Mapping[str, Written] | None:
    summary = folder / SUMMARY
    try:
        status = os.lstat(summary)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST_SUMMARY:
            return None
        return files_of_summary(summary.read_bytes())
    except OSError:
        return None


def _is_unchanged(path: Path, written: Written) -> bool:
    try:
        status = os.lstat(path)
        if not stat.S_ISREG(status.st_mode) or status.st_size != written.bytes:
            return False
        return Written.of(path) == written
    except OSError:
        return False


def _status(path: str | Path) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None
