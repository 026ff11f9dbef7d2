"""File formats: one file per format, reading and writing."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.formats.registry import format_of as format_of
    from fastavatar.formats.registry import read_gaussians as read_gaussians
    from fastavatar.formats.registry import write_gaussians as write_gaussians

__getattr__ = lazy_attributes(
    __name__,
    {
        ".registry": ["format_of", "read_gaussians", "write_gaussians"],
    },
)
