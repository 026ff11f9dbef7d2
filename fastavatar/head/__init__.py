"""The parametric head: identity, 52 expressions, joints, regions and landmarks, and its fit to photos."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
