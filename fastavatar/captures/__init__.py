"""Calibrated captures of one head: VHAP and NeRSemble folders, COLMAP models, nerfstudio and NeRF JSON."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
