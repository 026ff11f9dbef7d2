"""Measures how accurate an avatar is, by comparing it with a capture."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
