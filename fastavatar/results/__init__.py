"""Writes folders of results, with preview, summary and turntable, and recognises files of earlier runs."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
