"""Surfaces given by points: their colours in pictures, blended and completed, and discs that cover them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
