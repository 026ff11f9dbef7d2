"""Calibrated captures of one head: VHAP and NeRSemble folders, COLMAP models, nerfstudio and NeRF JSON."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.captures.capture import Capture as Capture
    from fastavatar.captures.capture import View as View
    from fastavatar.captures.reading import calibrated_files as calibrated_files
    from fastavatar.captures.reading import read_cameras as read_cameras
    from fastavatar.captures.reading import read_capture as read_capture

__getattr__ = lazy_attributes(
    __name__,
    {
        ".capture": ["Capture", "View"],
        ".reading": ["calibrated_files", "read_cameras", "read_capture"],
    },
)
