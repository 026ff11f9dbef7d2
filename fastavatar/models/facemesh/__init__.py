"""The embedded model: Face Mesh landmarks, a head template fitted to them, and the photo's colours."""

from typing import TYPE_CHECKING

from fastavatar.system.lazy import lazy_attributes

if TYPE_CHECKING:
    from fastavatar.models.facemesh.predictor import FaceMeshPredictor as FaceMeshPredictor
    from fastavatar.models.facemesh.surface import surface_points as surface_points
    from fastavatar.models.facemesh.template import NECK as NECK
    from fastavatar.models.facemesh.template import TORSO as TORSO
    from fastavatar.models.facemesh.template import load_template as load_template

__getattr__ = lazy_attributes(
    __name__,
    {
        ".predictor": ["FaceMeshPredictor"],
        ".surface": ["surface_points"],
        ".template": ["NECK", "TORSO", "load_template"],
    },
)
