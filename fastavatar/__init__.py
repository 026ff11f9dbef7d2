"""One photo of a person in, a 3D Gaussian-splat head out.

The public names below are imported when they are first used, so that `import fastavatar` costs nothing.
Import it before torch: only then can it ask OpenMP for threads that sleep while they wait, by
`OMP_WAIT_POLICY=PASSIVE` unless that variable is set. It matters where other processes use the same cores.
"""

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if "torch" not in sys.modules:
    # OpenMP reads this when torch is imported. Threads that spin while they wait take the cores from whatever
    # they wait for: beside one other busy process a prediction takes about twice as long
    # (`benchmarks/busy_machine.py`). A value that the user set stays.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

_HOME = {
    "Avatar": "fastavatar.core",
    "Camera": "fastavatar.core",
    "Capture": "fastavatar.captures",
    "Gaussians": "fastavatar.core",
    "Photo": "fastavatar.core",
    "Render": "fastavatar.rendering",
    "evaluate": "fastavatar.evaluation",
    "load_photo": "fastavatar.images.photo",
    "load_predictor": "fastavatar.models",
    "read_capture": "fastavatar.captures",
    "refine": "fastavatar.refinement",
    "read_ply": "fastavatar.formats.splats.ply",
    "render": "fastavatar.rendering",
    "write_ply": "fastavatar.formats.splats.ply",
}

__all__ = [*_HOME, "__version__"]

if TYPE_CHECKING:
    from fastavatar.captures import Capture as Capture
    from fastavatar.captures import read_capture as read_capture
    from fastavatar.core import Avatar as Avatar
    from fastavatar.core import Camera as Camera
    from fastavatar.core import Gaussians as Gaussians
    from fastavatar.core import Photo as Photo
    from fastavatar.evaluation import evaluate as evaluate
    from fastavatar.formats.splats.ply import read_ply as read_ply
    from fastavatar.formats.splats.ply import write_ply as write_ply
    from fastavatar.images.photo import load_photo as load_photo
    from fastavatar.models import load_predictor as load_predictor
    from fastavatar.refinement import refine as refine
    from fastavatar.rendering import Render as Render
    from fastavatar.rendering import render as render


def __getattr__(name: str) -> Any:
    """Import a public name from the room it lives in (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module 'fastavatar' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOME[name]), name)
