"""The file formats by the ending of a file's name: what writes and reads each, and what each cannot hold."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from fastavatar.core import Gaussians
from fastavatar.errors import InputError, UsageError
from fastavatar.formats.html import page
from fastavatar.formats.splats import compressed_ply, splat, splat_transform
from fastavatar.formats.splats.frames import DEFAULT_FRAME, Frame
from fastavatar.formats.splats.npz import encode_npz, parse_npz
from fastavatar.formats.splats.ply import encode_ply, parse_ply
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


def _rounded(gaussians: Gaussians) -> tuple[str, ...]:
    return ("everything is rounded, colours that change with the view most; the file cannot say its frame",)


def _stated_nowhere(gaussians: Gaussians) -> tuple[str, ...]:
    return ("the file cannot say its frame",)


FORMATS = (
    Format(".compressed.ply", compressed_ply.encode_compressed_ply, parse_ply, compressed_ply.losses),
    Format(".ply", encode_ply, parse_ply, _nothing),
    Format(".splat", encode_splat, parse_splat, splat.losses),
    Format(".npz", encode_npz, parse_npz, _nothing),
    Format(".sog", splat_transform.encoder(".sog"), splat_transform.parse, _rounded),
    Format(".spz", splat_transform.encoder(".spz"), splat_transform.parse, _rounded),
    Format(".glb", splat_transform.encoder(".glb"), splat_transform.write_only, _stated_nowhere),
    Format(".html", page.encode_page, splat_transform.write_only, page.losses),
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
        return stored.in_head_frame(frame, path)
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
