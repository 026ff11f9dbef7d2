"""A head as a signed distance field from one photo, by a network that `fastavatar train surface` trains."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
