"""The formats of Gaussians by the ending of a file's name: how each is written and read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastavatar.core import Gaussians
from fastavatar.errors import InputError, UsageError
from fastavatar.formats.html import page
from fastavatar.formats.splats import (
    DEFAULT_FRAME,
    Frame,
    Stored,
    compressed_ply,
    encode_npz,
    encode_ply,
    encode_splat,
    glb,
    parse_ksplat,
    parse_npz,
    parse_ply,
    parse_sog,
    parse_splat,
    parse_spz,
    sog,
    splat,
    spz,
)
from fastavatar.system import replacing


@dataclass(frozen=True)
class Format:
    """A file format of Gaussians."""

    ending: str
    """End of the file's name, in lower case."""
    encode: Callable[[Gaussians, Frame], bytes]
    """Head-frame Gaussians → the bytes of a file in that frame."""
    parse: Callable[[Path], Stored]
    """A file → what it holds; raises `InputError` when it is missing or damaged."""
    losses: Callable[[Gaussians], tuple[str, ...]]
    """What the format cannot hold of these Gaussians, one sentence each."""


def _nothing(gaussians: Gaussians) -> tuple[str, ...]:
    return ()


def _write_only(path: Path) -> Stored:
    raise UsageError(f"{path}: {path.suffix} files are written only; keep the .ply beside it")


def _read_only(gaussians: Gaussians, frame: Frame) -> bytes:
    raise UsageError(".ksplat files are read only; .spz files are as small")


FORMATS = (
    Format(".compressed.ply", compressed_ply.encode_compressed_ply, parse_ply, compressed_ply.losses),
    Format(".ply", encode_ply, parse_ply, _nothing),
    Format(".splat", encode_splat, parse_splat, splat.losses),
    Format(".npz", encode_npz, parse_npz, _nothing),
    Format(".sog", sog.encode_sog, parse_sog, sog.losses),
    Format(".spz", spz.encode_spz, parse_spz, spz.losses),
    Format(".ksplat", _read_only, parse_ksplat, _nothing),
    Format(".glb", glb.encode_glb, _write_only, glb.losses),
    Format(".html", page.encode_page, _write_only, page.losses),
)
"""Every format. A file is in the first one whose ending its name has, so .compressed.ply stands before
.ply."""


def format_of(path: str | Path) -> Format:
    """The format of a file by its name; raises `UsageError`, which lists the endings, where there is none."""
    name = Path(path).name.lower()
    found = next((known for known in FORMATS if name.endswith(known.ending)), None)
    if found is None:
        endings = ", ".join(known.ending for known in FORMATS)
        raise UsageError(f"{path} has an ending of no format: use one of {endings}")
    return found


def read_gaussians(path: str | Path, frame: Frame | None = None) -> Gaussians:
    """Read a file of any format into the head frame.

    `frame` is the frame the file is in; without it the frame that the file states counts, and `supersplat`
    where it states none. Gaussians that cannot be drawn are dropped with a warning. Raises `InputError` when
    the file is missing, damaged or holds none that can, `UsageError` for an unknown ending.
    """
    stored = format_of(path).parse(Path(path))
    try:
        return stored.in_head_frame(frame, path)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None


def write_gaussians(
    gaussians: Gaussians, path: str | Path, frame: Frame = DEFAULT_FRAME, overwrite: bool = True
) -> tuple[str, ...]:
    """Write head-frame Gaussians in the format of the file's ending.

    Returns what the format cannot hold, one sentence each. `path` is replaced as a whole. Raises `UsageError`
    for an unknown ending or frame, `InputError` for no Gaussians or non-finite ones, and what `replacing`
    raises when `path` cannot or, without `overwrite`, may not be written.
    """
    wanted = format_of(path)
    encoded = wanted.encode(gaussians, frame)
    with replacing(Path(path), overwrite) as partial:
        partial.write_bytes(encoded)
    return wanted.losses(gaussians)
