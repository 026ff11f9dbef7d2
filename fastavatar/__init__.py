"""One photo of a person in, a 3D Gaussian-splat head out.

The public names below are imported when they are first used, so that `import fastavatar` costs nothing.
Import it before torch: only then can it ask OpenMP for threads that sleep while they wait
(`OMP_WAIT_POLICY=PASSIVE`, unless that variable is set), which matters beside other busy processes.
"""

import os
import sys
from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes
from fastavatar.version import __version__ as __version__

if "torch" not in sys.modules:
    # OpenMP reads this when torch is imported. Threads that spin while they wait take the cores from whatever
    # they wait for: beside one other busy process a prediction takes about twice as long
    # (`benchmarks/busy_machine.py`). A value that the user set stays.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


_NAMES = {
    ".captures": ["Capture", "read_capture"],
    ".core": ["Avatar", "Binding", "Camera", "Gaussians", "Mesh", "Photo"],
    ".evaluation": ["evaluate"],
    ".formats.splats.ply": ["read_ply", "write_ply"],
    ".images.photo": ["load_photo"],
    ".models": ["load_predictor"],
    ".refinement": ["refine"],
    ".rendering": ["Render", "render"],
}

__all__ = [*(name for names in _NAMES.values() for name in names), "__version__"]

if TYPE_CHECKING:
    from fastavatar.captures import Capture as Capture
    from fastavatar.captures import read_capture as read_capture
    from fastavatar.core import Avatar as Avatar
    from fastavatar.core import Binding as Binding
    from fastavatar.core import Camera as Camera
    from fastavatar.core import Gaussians as Gaussians
    from fastavatar.core import Mesh as Mesh
    from fastavatar.core import Photo as Photo
    from fastavatar.evaluation import evaluate as evaluate
    from fastavatar.formats.splats.ply import read_ply as read_ply
    from fastavatar.formats.splats.ply import write_ply as write_ply
    from fastavatar.images.photo import load_photo as load_photo
    from fastavatar.models import load_predictor as load_predictor
    from fastavatar.refinement import refine as refine
    from fastavatar.rendering import Render as Render
    from fastavatar.rendering import render as render

__getattr__ = lazy_attributes(__name__, _NAMES)
