"""Pure mathematics: rotations, spherical harmonics, similarity fits, kernels, graphs, triangle meshes.

Import functions from here; each loads when it is first used.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
