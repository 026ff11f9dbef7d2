"""Formats that hold Gaussians."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.formats.splats.frames import DEFAULT_FRAME as DEFAULT_FRAME
    from fastavatar.formats.splats.frames import Frame as Frame
    from fastavatar.formats.splats.frames import head_to_frame as head_to_frame
    from fastavatar.formats.splats.ksplat import parse_ksplat as parse_ksplat
    from fastavatar.formats.splats.npz import encode_npz as encode_npz
    from fastavatar.formats.splats.npz import parse_npz as parse_npz
    from fastavatar.formats.splats.ply import encode_ply as encode_ply
    from fastavatar.formats.splats.ply import parse_ply as parse_ply
    from fastavatar.formats.splats.ply import read_ply as read_ply
    from fastavatar.formats.splats.ply import write_ply as write_ply
    from fastavatar.formats.splats.sog_reading import parse_sog as parse_sog
    from fastavatar.formats.splats.splat import encode_splat as encode_splat
    from fastavatar.formats.splats.splat import parse_splat as parse_splat
    from fastavatar.formats.splats.stored import Stored as Stored
    from fastavatar.formats.splats.stored import shortened as shortened

__getattr__ = lazy_attributes(
    __name__,
    {
        ".frames": ["DEFAULT_FRAME", "Frame", "head_to_frame"],
        ".ksplat": ["parse_ksplat"],
        ".npz": ["encode_npz", "parse_npz"],
        ".ply": ["encode_ply", "parse_ply", "read_ply", "write_ply"],
        ".sog_reading": ["parse_sog"],
        ".splat": ["encode_splat", "parse_splat"],
        ".stored": ["Stored", "shortened"],
    },
)
