"""Access to the operating system: files, memory, processors, the cache folder."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
