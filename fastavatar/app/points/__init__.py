"""A page that shows clouds of points: the truth, an estimate, or both side by side."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
