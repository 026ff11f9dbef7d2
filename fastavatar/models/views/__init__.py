"""Points, normals and colours of a head from any number of photos, and the surface through them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
