"""Gaussians as the PLY file that every 3D Gaussian Splatting viewer reads.

`docs/conventions.md` lists the fields. Facts about a file stand in its comment lines, `key value`.
"""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import plyfile
from numpy.typing import NDArray

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats.compressed_layout import from_elements
from fastavatar.formats.splats.frames import DEFAULT_FRAME, FRAMES, Frame
from fastavatar.formats.splats.ply_layout import PROPERTIES, from_table, to_table
from fastavatar.formats.splats.stored import Stored, to_be_stored
from fastavatar.geometry.spherical_harmonics import MAX_DEGREE
from fastavatar.system.atomic import replacing
from fastavatar.version import __version__


def write_ply(
    gaussians: Gaussians,
    path: str | Path,
    frame: Frame = DEFAULT_FRAME,
    comments: Iterable[str] = (),
) -> None:
    """Write head-frame Gaussians in `frame` to `path`, which is replaced as a whole.

    `comments` follow the facts that every file states. Raises `InputError` for no Gaussians or non-finite
    ones, `UsageError` for an unknown frame, `FastAvatarError` when `path` cannot be written.
    """
    encoded = encode_ply(gaussians, frame, comments)
    with replacing(Path(path)) as partial:
        partial.write_bytes(encoded)


def encode_ply(gaussians: Gaussians, frame: Frame, comments: Iterable[str] = ()) -> bytes:
    """The file's bytes: one element, 62 float32 properties, SH padded to degree 3.

    The same numbers give the same bytes. Raises `InputError` and `UsageError` as `write_ply` does.
    """
    table = to_table(to_be_stored(gaussians, frame))
    rows = table.view([(name, "<f4") for name in PROPERTIES])[:, 0]
    return encode_elements({"vertex": rows}, (*facts(gaussians, frame), *comments))


def facts(gaussians: Gaussians, frame: Frame) -> tuple[str, ...]:
    """The comment lines that say what a file holds."""
    return (
        f"generator fastavatar {__version__}",
        f"frame {frame}",
        "units metres",
        f"sh_degree {gaussians.sh_degree}",
    )


def encode_elements(elements: dict[str, NDArray[np.void]], comments: Sequence[str]) -> bytes:
    """A binary PLY's bytes: its elements (N,) of named little-endian columns by name, in order."""
    described = [plyfile.PlyElement.describe(rows, name) for name, rows in elements.items()]
    lines = [_comment(line) for line in comments]
    buffer = io.BytesIO()
    plyfile.PlyData(described, text=False, byte_order="<", comments=lines).write(buffer)
    return buffer.getvalue()


def read_ply(path: str | Path, frame: Frame | None = None) -> Gaussians:
    """Read Gaussians into the head frame from a PLY of this program or any other.

    `frame` is the frame the file is in; without it the file's own comment counts, and `supersplat` where
    it has none. Compressed PLY files are read too. Raises `InputError` when the file is missing, damaged,
    or holds no finite Gaussians.
    """
    stored = parse_ply(path)
    try:
        return stored.in_head_frame(frame)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None


def parse_ply(path: str | Path) -> Stored:
    """What a PLY, plain or compressed, holds; raises `InputError` when it is missing or damaged."""
    data = _parse(path)
    stated = dict(line.split(maxsplit=1) for line in reversed(data.comments) if " " in line.strip())
    try:
        gaussians = _gaussians_of(data, _stated_degree(stated.get("sh_degree", "")))
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    return Stored(gaussians, next((known for known in FRAMES if known == stated.get("frame")), None))


def _parse(path: str | Path) -> plyfile.PlyData:
    try:
        return plyfile.PlyData.read(str(path))
    except FileNotFoundError:
        raise InputError(f"cannot read {path}: there is no such file; check the path") from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {(error.strerror or str(error)).lower()}") from error
    except (plyfile.PlyParseError, ValueError, MemoryError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"cannot read {path}: it is no PLY file, or a damaged one ({reason})") from error


def _gaussians_of(data: plyfile.PlyData, sh_degree: int | None) -> Gaussians:
    if "vertex" not in data or not data["vertex"].count:
        raise InputError("it holds no Gaussians")
    rows = data["vertex"].data
    columns = {name: rows[name] for name in rows.dtype.names if rows[name].dtype != object}
    if "packed_position" in columns:
        return from_elements({element.name: element.data for element in data.elements})
    return from_table(columns, sh_degree)


def _stated_degree(text: str) -> int | None:
    return int(text) if text in map(str, range(MAX_DEGREE + 1)) else None


def _comment(line: str) -> str:
    """The line as a PLY header can carry it: ASCII, without line breaks."""
    return " ".join(line.split()).encode("ascii", "backslashreplace").decode("ascii")
