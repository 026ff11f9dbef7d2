"""Calibrated captures of one head: VHAP / NeRSemble folders and COLMAP models."""

from fastavatar.captures.capture import Capture as Capture
from fastavatar.captures.capture import View as View
from fastavatar.captures.reading import read_capture as read_capture
