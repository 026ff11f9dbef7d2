"""Unpacks a downloaded zip file that may be damaged or hostile."""

import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath, PureWindowsPath

from fastavatar.errors import WeightsError

# The published archive unpacks to 1.6 GB in 7 entries.
MOST_BYTES_UNPACKED = 8 << 30
MOST_ENTRIES = 10_000
_CHUNK = 1 << 20

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,  # a compression or a zip version that Python does not know
    ValueError,
    LookupError,
    OverflowError,
)
"""The exceptions of `zipfile` for files that are damaged or no zip."""


def unpack(
    archive: Path, folder: Path, wanted: Callable[[str], bool], most_bytes: int = MOST_BYTES_UNPACKED
) -> list[Path]:
    """Write the entries of a zip file whose base names are `wanted` into `folder`, and return their paths.

    Every entry's CRC-32 is checked. After a failure `folder` may hold some entries, so give a temporary one.
    Raises `WeightsError` when the archive is damaged, holds a name twice, an entry with a path outside the
    folder, a link or an encrypted entry, or would unpack to more than `most_bytes`.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            chosen = _chosen(opened, archive, wanted, most_bytes)
            for name, entry in chosen.items():
                _write(opened, entry, folder / name, archive)
    except _DAMAGE as error:
        raise WeightsError(f"{archive} is damaged or no zip file ({error}): fetch it again") from error
    except OSError as error:
        # bz2 reports damage as an OSError without a number.
        reason = f"{error.strerror}; make room" if error.errno else f"it is damaged ({error})"
        raise WeightsError(f"cannot unpack {archive}: {reason}") from error
    return [folder / name for name in chosen]


def _chosen(
    opened: zipfile.ZipFile, archive: Path, wanted: Callable[[str], bool], most_bytes: int
) -> dict[str, zipfile.ZipInfo]:
    """The wanted entries by base name, after checks of all entries."""
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES or sum(entry.file_size for entry in entries) > most_bytes:
        raise WeightsError(f"{archive} is refused: it would unpack to more than {most_bytes >> 20} MB")
    chosen: dict[str, zipfile.ZipInfo] = {}
    for entry in entries:
        _require_harmless(entry, archive)
        name = PurePosixPath(entry.filename).name
        if entry.is_dir() or not wanted(name):
            continue
        if name in chosen:
            raise WeightsError(f"{archive} is refused: it holds {name} twice")
        chosen[name] = entry
    return chosen


def _require_harmless(entry: zipfile.ZipInfo, archive: Path) -> None:
    name = entry.filename
    climbs = ".." in PurePosixPath(name.replace("\\", "/")).parts
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\")
    if climbs or absolute:
        raise WeightsError(f"{archive} is refused: its entry {name!r} leads out of the folder")
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise WeightsError(f"{archive} is refused: its entry {name!r} is a link or a special file")
    if entry.flag_bits & 1:
        raise WeightsError(f"{archive} is refused: its entry {name!r} is encrypted")


def _write(opened: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path, archive: Path) -> None:
    left = entry.file_size
    with target.open("xb") as out, opened.open(entry) as source:
        while chunk := source.read(_CHUNK):  # zipfile compares the CRC-32 when it reaches the end
            left -= len(chunk)
            if left < 0:
                raise WeightsError(f"{archive} is refused: {entry.filename!r} is larger than it says")
            out.write(chunk)
