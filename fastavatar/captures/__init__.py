"""Calibrated captures of one head: VHAP and NeRSemble folders, COLMAP models, nerfstudio and NeRF JSON."""

from fastavatar.captures.capture import Capture as Capture
from fastavatar.captures.capture import View as View
from fastavatar.captures.reading import calibrated_files as calibrated_files
from fastavatar.captures.reading import read_cameras as read_cameras
from fastavatar.captures.reading import read_capture as read_capture
