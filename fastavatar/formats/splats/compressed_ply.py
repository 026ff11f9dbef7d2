"""Gaussians as a compressed PLY: a quarter of the size or less, read by SuperSplat and PlayCanvas."""

from collections.abc import Iterable

from fastavatar.core import Gaussians
from fastavatar.formats.splats.compressed_layout import to_elements
from fastavatar.formats.splats.frames import Frame
from fastavatar.formats.splats.ply import encode_elements, facts
from fastavatar.formats.splats.stored import to_be_stored


def encode_compressed_ply(gaussians: Gaussians, frame: Frame, comments: Iterable[str] = ()) -> bytes:
    """The file's bytes; `read_ply` reads it back, `compressed_layout.losses` tells what it cannot hold.

    Raises `InputError` for no Gaussians or non-finite ones, `UsageError` for an unknown frame.
    """
    elements = to_elements(to_be_stored(gaussians, frame))
    return encode_elements(elements, (*facts(gaussians, frame), *comments))
