"""Unpack the published archive without trusting it."""

import os
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from fastavatar.errors import WeightsError

MOST_BYTES_UNPACKED = 8 << 30
MOST_ENTRIES = 10_000
_CHUNK = 1 << 20


def unpack(
    archive: Path, place: Callable[[str], Path | None], most_bytes: int = MOST_BYTES_UNPACKED
) -> list[Path]:
    """Move entries of a zip file to where `place` puts their base names; those it gives None are left.

    Every entry is first written whole and checked beside its destination, then all are moved into place.
    Raises `WeightsError` when the archive is damaged, has an entry that climbs out of the folder, is a link
    or encrypted, or would grow past `most_bytes`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _checked(opened, archive, most_bytes)
            wanted = {
                destination: entry
                for entry in entries
                if (destination := place(PurePosixPath(entry.filename).name)) is not None
            }
            return _move_out(opened, archive, wanted)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise WeightsError(f"{archive} is damaged or no zip file ({error}): fetch it again") from error


def _checked(opened: zipfile.ZipFile, archive: Path, most_bytes: int) -> list[zipfile.ZipInfo]:
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > most_bytes:
        raise WeightsError(f"{archive} is refused: it would unpack to more than {most_bytes >> 20} MB")
    for entry in entries:
        name = entry.filename
        kind = stat.S_IFMT(entry.external_attr >> 16)
        climbs = ".." in PurePosixPath(name.replace("\\", "/")).parts
        absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\")
        if climbs or absolute:
            raise WeightsError(f"{archive} is refused: its entry {name!r} leads out of the folder")
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise WeightsError(f"{archive} is refused: its entry {name!r} is a link or a special file")
        if entry.flag_bits & 1:
            raise WeightsError(f"{archive} is refused: its entry {name!r} is encrypted")
    return entries


def _move_out(opened: zipfile.ZipFile, archive: Path, wanted: dict[Path, zipfile.ZipInfo]) -> list[Path]:
    partial: dict[Path, Path] = {}
    try:
        for destination, entry in wanted.items():
            destination.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=destination.parent, prefix=f".{destination.name}.")
            partial[destination] = Path(name)
            with os.fdopen(handle, "wb") as out, opened.open(entry) as source:
                left = entry.file_size
                # zipfile compares the CRC-32 when it reaches the end
                while chunk := source.read(_CHUNK):
                    left -= len(chunk)
                    if left < 0:
                        raise WeightsError(f"{archive} is refused: {entry.filename!r} is larger than it says")
                    out.write(chunk)
        for destination, path in partial.items():
            path.chmod(0o644)
            path.replace(destination)
    except OSError as error:
        raise WeightsError(f"cannot unpack {archive}: {error}") from error
    finally:
        for path in partial.values():
            path.unlink(missing_ok=True)
    return list(wanted)
