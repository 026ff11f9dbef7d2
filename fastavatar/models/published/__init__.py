"""The published FastAvatar networks (Liang et al. 2025, arXiv 2508.18389); `loading.load` reads them."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
