"""Differences between pictures and between surfaces. What is minimised and what is reported are the same."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
