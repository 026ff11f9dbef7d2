"""One photo to an avatar whose surface a trained network sees.

photo ─ Face Mesh ─▶ landmarks ─ parametric head ─▶ camera ─┐
  └─ segmenter ─▶ person ─ crop about the head ─────────────┴─ SurfaceNetwork ─▶ field ─▶ mesh ─▶ discs on it
"""

from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Avatar, Binding, Gaussians, Mesh, Photo, Provenance
from fastavatar.faces import FaceMeshFinder, find_wanted_face
from fastavatar.geometry import unit_vectors
from fastavatar.models.facemesh import HeadView, head_and_shoulders, observe
from fastavatar.models.stages import stage
from fastavatar.models.surface import asked, framed, mesh_of_field, read_network
from fastavatar.surfaces import Surface, colors_in_view, opaque_discs

LICENCE = "free for any use where photo and training data are (MIT code, Apache-2.0 face models)"
DISCS = 60_000
"""Gaussians, 2.4 mm apart on a bust."""
_SMEARED, _SHARP = 0.2, 0.5
"""Cosines between normal and view from which a photo's colours count, and count alone; chosen by eye."""


class SurfacePredictor:
    """A trained network, ready to predict."""

    name = "surface"

    def __init__(self, checkpoint: Path, device: str = "cpu", seed: int = 0) -> None:
        """Raises `WeightsError` for a file that is no checkpoint of this model."""
        self.network = read_network(checkpoint).to(device)
        self.device, self.seed = device, seed

    def predict(self, photo: Photo, face: int | None = None) -> Avatar:
        """The avatar of the face numbered `face` from the left, of the largest without it.

        Without `face`, a photo that lies on its side is turned; the avatar has the turned photo. Raises
        `NoFaceError` when there is no such face, `InputError` when the network sees no surface.
        """
        seconds: dict[str, float] = {}
        with stage(seconds, "find faces"):
            photo, found, turned = find_wanted_face(FaceMeshFinder(), photo, face)
        with stage(seconds, "pose"):
            (seen,) = observe([photo], [found], chosen=face is not None)
        with stage(seconds, "person mask"):
            view = head_and_shoulders(photo, found.box, seen.camera)
        with stage(seconds, "surface"):
            crop = framed(view.rgb, view.mask, view.camera, self.network.settings.picture_px)
            mesh = mesh_of_field(asked(self.network, crop))
        with stage(seconds, "colours"):
            gaussians, binding = dressed(mesh, view)
        warnings = (*turned, *seen.concerns())
        return Avatar(
            gaussians.to(self.device),
            seen.camera.to("cpu", torch.float32),
            photo,
            found,
            Provenance(self.name, LICENCE, self.seed, self.device, seconds, warnings),
            mesh=mesh,
            binding=binding,
        )


def dressed(mesh: Mesh, view: HeadView) -> tuple[Gaussians, Binding]:
    """Discs spread over a mesh with colours: the photo's where it sees them well, else the mesh's."""
    assert mesh.colors is not None
    binding = mesh.sample(DISCS)
    points = binding.at(mesh.vertices).double().numpy()
    normals = unit_vectors(binding.at(mesh.normals()).double().numpy())
    pixels, facing, sees = colors_in_view(points, normals, view.rgb, view.mask, view.camera)
    share = np.where(sees, ((facing - _SMEARED) / (_SHARP - _SMEARED)).clip(0, 1), 0.0)[:, None]
    colors = share * pixels + (1 - share) * binding.at(mesh.colors).double().numpy()
    return opaque_discs(Surface(points, normals), colors), binding
