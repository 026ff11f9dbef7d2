"""One photo of a person in, a 3D Gaussian-splat head out.

The public names below are imported when they are first used, so that `import fastavatar` costs nothing.
"""

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOME = {
    "Avatar": "fastavatar.avatar",
    "Camera": "fastavatar.camera",
    "Capture": "fastavatar.captures",
    "Gaussians": "fastavatar.gaussians",
    "Photo": "fastavatar.images.photo",
    "Render": "fastavatar.render",
    "evaluate": "fastavatar.evaluate",
    "load_photo": "fastavatar.images.photo",
    "load_predictor": "fastavatar.models",
    "read_capture": "fastavatar.captures",
    "refine": "fastavatar.refine",
    "read_ply": "fastavatar.export.ply",
    "render": "fastavatar.render",
    "write_ply": "fastavatar.export.ply",
}

__all__ = [*_HOME, "__version__"]

if TYPE_CHECKING:
    from fastavatar.avatar import Avatar as Avatar
    from fastavatar.camera import Camera as Camera
    from fastavatar.captures import Capture as Capture
    from fastavatar.captures import read_capture as read_capture
    from fastavatar.evaluate import evaluate as evaluate
    from fastavatar.export.ply import read_ply as read_ply
    from fastavatar.export.ply import write_ply as write_ply
    from fastavatar.gaussians import Gaussians as Gaussians
    from fastavatar.images.photo import Photo as Photo
    from fastavatar.images.photo import load_photo as load_photo
    from fastavatar.models import load_predictor as load_predictor
    from fastavatar.refine import refine as refine
    from fastavatar.render import Render as Render
    from fastavatar.render import render as render


class _Package(ModuleType):
    """Keeps `fastavatar.render` the function: importing the room of that name would put the module there."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in _HOME and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package


def __getattr__(name: str) -> Any:
    """Import a public name from the room it lives in (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'fastavatar' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
