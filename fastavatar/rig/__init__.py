"""Heads that move: binding Gaussians to the parametric head, posing them, and the motions that drive them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
