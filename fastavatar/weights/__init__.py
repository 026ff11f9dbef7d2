"""The published weights: where they come from, where they lie, and how they are read safely."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
