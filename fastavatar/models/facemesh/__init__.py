"""The embedded model: Face Mesh landmarks, a head template fitted to them, and the photo's colours."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
