"""Test-time optimisation: changes an avatar so that its renders look more like given views."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
