"""The file formats by the ending of a file's name: what writes and reads each, and what each cannot hold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastavatar.core import Gaussians
from fastavatar.errors import InputError, UsageError
from fastavatar.formats.html import page
from fastavatar.formats.splats import compressed_layout, glb, sog, splat, spz
from fastavatar.formats.splats.compressed_ply import encode_compressed_ply
from fastavatar.formats.splats.frames import DEFAULT_FRAME, Frame
from fastavatar.formats.splats.ksplat import parse_ksplat
from fastavatar.formats.splats.npz import encode_npz, parse_npz
from fastavatar.formats.splats.ply import encode_ply, parse_ply
from fastavatar.formats.splats.sog_reading import parse_sog
from fastavatar.formats.splats.splat import encode_splat, parse_splat
from fastavatar.formats.splats.stored import Stored
from fastavatar.system.atomic import replacing


@dataclass(frozen=True)
class Format:
    """One way to keep Gaussians in a file."""

    ending: str
    """Of the file's name, in small letters."""
    encode: Callable[[Gaussians, Frame], bytes]
    """Head-frame Gaussians → the bytes of a file in that frame."""
    parse: Callable[[Path], Stored]
    """What a file holds."""
    losses: Callable[[Gaussians], tuple[str, ...]]
    """What the format cannot hold of these Gaussians, one sentence each."""


def _nothing(gaussians: Gaussians) -> tuple[str, ...]:
    return ()


def _write_only(path: Path) -> Stored:
    raise UsageError(f"{path}: {path.suffix} files are written only; keep the .ply beside it")


def _read_only(gaussians: Gaussians, frame: Frame) -> bytes:
    raise UsageError(".ksplat files are read only; .spz files are as small")


FORMATS = (
    Format(".compressed.ply", encode_compressed_ply, parse_ply, compressed_layout.losses),
    Format(".ply", encode_ply, parse_ply, _nothing),
    Format(".splat", encode_splat, parse_splat, splat.losses),
    Format(".npz", encode_npz, parse_npz, _nothing),
    Format(".sog", sog.encode_sog, parse_sog, sog.losses),
    Format(".spz", spz.encode_spz, spz.parse_spz, spz.losses),
    Format(".ksplat", _read_only, parse_ksplat, _nothing),
    Format(".glb", glb.encode_glb, _write_only, glb.losses),
    Format(".html", page.encode_page, _write_only, page.losses),
)
"""The first whose ending fits is meant."""


def format_of(path: str | Path) -> Format:
    """The format that a file's name asks for; raises `UsageError` that lists the endings known."""
    name = Path(path).name.lower()
    found = next((known for known in FORMATS if name.endswith(known.ending)), None)
    if found is None:
        endings = ", ".join(known.ending for known in FORMATS)
        raise UsageError(f"{path} has an ending of no format: use one of {endings}")
    return found


def read_gaussians(path: str | Path, frame: Frame | None = None) -> Gaussians:
    """Read a file of any format into the head frame.

    `frame` is the frame the file is in; without it what the file states counts, and `supersplat` where it
    states none. Raises `InputError` when it is missing, damaged or holds non-finite Gaussians, `UsageError`
    for an unknown ending.
    """
    stored = format_of(path).parse(Path(path))
    try:
        return stored.in_head_frame(frame)
    except InputError as error:
        raise InputError(f"cannot read {path}: {error}") from None


def write_gaussians(gaussians: Gaussians, path: str | Path, frame: Frame = DEFAULT_FRAME) -> tuple[str, ...]:
    """Write head-frame Gaussians in the format of the file's ending and say what that cannot hold.

    `path` is replaced as a whole. Raises `UsageError` for an unknown ending or frame, `InputError` for no
    Gaussians or non-finite ones, `FastAvatarError` when `path` cannot be written.
    """
    wanted = format_of(path)
    encoded = wanted.encode(gaussians, frame)
    with replacing(Path(path)) as partial:
        partial.write_bytes(encoded)
    return wanted.losses(gaussians)
