"""Gaussians as the PLY file that every 3D Gaussian Splatting viewer reads.

`docs/conventions.md` lists the fields. A comment line states the frame, unless it is the default one.
"""

from collections.abc import Iterable
from pathlib import Path

from fastavatar.core import Gaussians
from fastavatar.errors import InputError
from fastavatar.formats.splats import (
    DEFAULT_FRAME,
    FRAMES,
    PROPERTIES,
    WORDS,
    Frame,
    Stored,
    frame_comments,
    from_elements,
    from_table,
    to_be_stored,
    to_table,
    unread,
)
from fastavatar.system import ply_parts, read_ply_elements, replacing


def write_ply(
    gaussians: Gaussians,
    path: str | Path,
    frame: Frame = DEFAULT_FRAME,
    comments: Iterable[str] = (),
) -> None:
    """Write head-frame Gaussians in `frame` to `path`, atomically.

    `comments` become comment lines of the header. Raises `InputError` for no Gaussians or non-finite ones,
    `UsageError` for an unknown frame, `FastAvatarError` when `path` cannot be written.
    """
    parts = _parts(gaussians, frame, comments)
    with replacing(Path(path)) as partial, partial.open("wb") as file:
        file.writelines(parts)


def encode_ply(gaussians: Gaussians, frame: Frame, comments: Iterable[str] = ()) -> bytes:
    """The file's bytes: one element, 62 float32 properties, SH padded to degree 3.

    The same numbers give the same bytes. Raises `InputError` and `UsageError` as `write_ply` does.
    """
    return b"".join(_parts(gaussians, frame, comments))


def _parts(gaussians: Gaussians, frame: Frame, comments: Iterable[str]) -> list[bytes | memoryview]:
    table = to_table(to_be_stored(gaussians, frame))
    rows = table.view([(name, "<f4") for name in PROPERTIES])[:, 0]
    return ply_parts({"vertex": rows}, (*frame_comments(frame), *comments))


def read_ply(path: str | Path, frame: Frame | None = None) -> Gaussians:
    """Read Gaussians into the head frame from a PLY of this program or any other, compressed or not.

    `frame` is the frame of the file, by default the frame in its comment, else `supersplat`. Gaussians that
    cannot be drawn are dropped with a warning. Raises `InputError` when the file is missing, damaged, or
    holds no Gaussian that can be drawn.
    """
    stored = parse_ply(path)
    try:
        return stored.in_head_frame(frame, path)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None


def parse_ply(path: str | Path) -> Stored:
    """The content of a PLY, plain or compressed; raises `InputError` when it is missing or damaged."""
    read = read_ply_elements(path, ("chunk", "vertex", "sh"))
    stated = dict(line.split(maxsplit=1) for line in reversed(read.comments) if len(line.split()) > 1)
    frame = next((known for known in FRAMES if known == stated.get("frame")), None)
    rows = read.rows.get("vertex")
    try:
        if rows is None or not len(rows):
            raise InputError("it holds no Gaussians")
        columns = {name: rows[name] for name in rows.dtype.names or ()}
        if "packed_position" in columns:
            return Stored(from_elements(read.rows), frame, unread=tuple(sorted(columns.keys() - set(WORDS))))
        return Stored(from_table(columns), frame, unread=unread(columns))
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
