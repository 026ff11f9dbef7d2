"""A folder of results: preview, summary, turntable, all or nothing; and whose files are in it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
