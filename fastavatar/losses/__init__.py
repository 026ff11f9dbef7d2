"""How far a picture or a surface is from another: what is minimised and what is reported."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
