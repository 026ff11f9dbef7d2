"""Gaussians as the PLY file that every 3D Gaussian Splatting viewer reads.

`docs/conventions.md` lists the fields. Facts about a file stand in its comment lines, `key value`.
"""

import io
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import plyfile
import torch

import fastavatar
from fastavatar.errors import InputError
from fastavatar.export.atomic import replacing
from fastavatar.export.frames import DEFAULT_FRAME, FRAMES, Frame, head_to_frame
from fastavatar.export.ply_layout import PROPERTIES, canonical_quaternions, from_table, to_table
from fastavatar.gaussians import Gaussians
from fastavatar.geometry.spherical_harmonics import MAX_DEGREE


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


def _turned(gaussians: Gaussians, frame: Frame) -> Gaussians:
    """As they stand in the frame, quaternions of length 1 with w ≥ 0; in `head` exactly as computed."""
    if frame == "head":
        return gaussians
    turned = gaussians.detach().rotated(head_to_frame(frame)).to("cpu", torch.float32)
    return replace(turned, quats_wxyz=canonical_quaternions(turned.quats_wxyz))


def encode_ply(gaussians: Gaussians, frame: Frame, comments: Iterable[str] = ()) -> bytes:
    """The file's bytes: one element, 62 float32 properties, SH padded to degree 3.

    The same numbers give the same bytes. Raises `InputError` and `UsageError` as `write_ply` does.
    """
    if not len(gaussians):
        raise InputError("cannot write a PLY: there are no Gaussians")
    gaussians.require_finite()
    table = to_table(_turned(gaussians, frame))
    rows = table.view([(name, "<f4") for name in PROPERTIES])[:, 0]
    facts = [
        f"generator fastavatar {fastavatar.__version__}",
        f"frame {frame}",
        "units metres",
        f"sh_degree {gaussians.sh_degree}",
    ]
    element = plyfile.PlyElement.describe(rows, "vertex")
    lines = [_comment(line) for line in (*facts, *comments)]
    buffer = io.BytesIO()
    plyfile.PlyData([element], text=False, byte_order="<", comments=lines).write(buffer)
    return buffer.getvalue()


def read_ply(path: str | Path, frame: Frame | None = None) -> Gaussians:
    """Read Gaussians into the head frame from a PLY of this program or any other.

    `frame` is the frame the file is in; without it the file's own comment counts, and `supersplat` where
    it has none. Raises `InputError` when the file is missing, damaged, or holds no finite Gaussians.
    """
    data = _parse(path)
    facts = dict(line.split(maxsplit=1) for line in reversed(data.comments) if " " in line.strip())
    try:
        gaussians = _gaussians_of(data, _stated_degree(facts.get("sh_degree", "")))
        gaussians.require_finite()
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None
    stated = facts.get("frame", DEFAULT_FRAME)
    found = frame or (stated if stated in FRAMES else DEFAULT_FRAME)
    return gaussians.rotated(head_to_frame(found).T)


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
        raise InputError("it is a compressed PLY; export it as a plain PLY")
    return from_table(columns, sh_degree)


def _stated_degree(text: str) -> int | None:
    return int(text) if text in map(str, range(MAX_DEGREE + 1)) else None


def _comment(line: str) -> str:
    """The line as a PLY header can carry it: ASCII, without line breaks."""
    return " ".join(line.split()).encode("ascii", "backslashreplace").decode("ascii")
