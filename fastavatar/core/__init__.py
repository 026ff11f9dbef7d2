"""The values that travel between rooms: Gaussians, cameras, meshes, photos, faces, avatars.

Import them from here. Each is loaded on first use, so that loading a photo does not import torch.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
