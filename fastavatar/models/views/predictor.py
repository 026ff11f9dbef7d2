"""Photos of one person to an avatar whose surface a trained network sees.

photos ─ Face Mesh ─▶ landmarks ─ one parametric head ─▶ a camera each ─┐
  └─ segmenter ─▶ person ─ crops about the head ────────────────────────┴─ ViewsNetwork ─▶ oriented points
                                                  discs on it ◀── mesh ◀── field of signed distances ◀──┘
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from fastavatar.core import Avatar, Binding, Gaussians, Mesh, Photo, Provenance
from fastavatar.errors import UsageError
from fastavatar.faces import FaceMeshFinder, FoundFace, find_one_of_several, find_wanted_face
from fastavatar.geometry import unit_vectors
from fastavatar.models.facemesh import HeadView, head_and_shoulders, observe
from fastavatar.models.stages import stage
from fastavatar.models.surface import framed, mesh_of_field
from fastavatar.models.views import OrientedPoints, field_of_points, order_of_content, read_network
from fastavatar.surfaces import Surface, colors_in_view, opaque_discs

LICENCE = "free for any use where photos and training data are (MIT code, Apache-2.0 face models)"
VOXELS = 128
"""Along a side of the cube that is searched: 5 mm, as the points are 6 to 9 mm apart."""
DISCS = 60_000
"""Gaussians, 2.4 mm apart on a bust."""
_SMEARED, _SHARP = 0.2, 0.5
"""Cosines between normal and view from which a photo's colours count, and count alone; chosen by eye."""


class ViewsPredictor:
    """A trained network, ready to predict from any number of photos of one person."""

    name = "views"

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
            found = find_wanted_face(FaceMeshFinder(), photo, face)
        return self._predicted([found], seconds, chosen=face is not None)

    def predict_several(self, photos: Sequence[Photo]) -> Avatar:
        """One avatar from photos of one person, the largest face of each; their order does not matter to it.

        Camera, photo and face are the first photo's, `others` are the rest. Raises `NoFaceError`, naming the
        photo, where one shows no face, `UsageError` without photos.
        """
        if not photos:
            raise UsageError("there is no photo to make an avatar of")
        seconds: dict[str, float] = {}
        with stage(seconds, "find faces"):
            found = [find_one_of_several(FaceMeshFinder(), photo) for photo in photos]
        return self._predicted(found, seconds)

    def _predicted(
        self, given: Sequence[FoundFace], seconds: dict[str, float], chosen: bool = False
    ) -> Avatar:
        # Everything is computed in the order of the photos' content, so that theirs as given changes nothing
        order = order_of_content([photo.rgb for photo, _, _ in given])
        found = [given[one] for one in order]
        with stage(seconds, "pose"):
            seen = observe([photo for photo, _, _ in found], [face for _, face, _ in found], chosen)
        with stage(seconds, "person mask"):
            views = [
                head_and_shoulders(photo, face.box, one.camera)
                for (photo, face, _), one in zip(found, seen, strict=True)
            ]
        with stage(seconds, "points"):
            points = self.points(views)
        with stage(seconds, "surface"):
            arrays = [one.double().cpu().numpy() for one in points[:3]]
            mesh = mesh_of_field(field_of_points(*arrays), VOXELS)
        with stage(seconds, "colours"):
            gaussians, binding = dressed(mesh, views)
        cameras = [one.camera.to("cpu", torch.float32) for one in seen]
        placed = [cameras[order.index(one)] for one in range(len(given))]
        several = len(given) > 1
        warnings = [
            f"{photo.name}: {text}" if several else text
            for (photo, _, turned), one in zip(found, seen, strict=True)
            for text in (*turned, *one.concerns())
        ]
        return Avatar(
            gaussians.to(self.device),
            placed[0],
            given[0][0],
            given[0][1],
            Provenance(self.name, LICENCE, self.seed, self.device, seconds, tuple(warnings)),
            arrays={name: array.astype(np.float32) for name, array in zip(ARRAYS, arrays, strict=True)},
            others=tuple((one[0], camera) for one, camera in zip(given[1:], placed[1:], strict=True)),
            mesh=mesh,
            binding=binding,
        )

    def points(self, views: Sequence[HeadView]) -> OrientedPoints:
        """The oriented points of the head that all views show."""
        size_px = self.network.settings.picture_px
        crops = [framed(view.rgb, view.mask, view.camera, size_px) for view in views]
        pictures = torch.stack([crop.picture for crop in crops]).to(self.device).float() / 255
        projections = torch.stack([crop.projection for crop in crops]).to(self.device)
        with torch.no_grad():
            found: OrientedPoints = self.network(pictures, projections)
        return found


ARRAYS = ("points", "normals", "colors")
"""Names of the files `<name>.npy` in a folder of results: the network's oriented points."""


def dressed(mesh: Mesh, views: Sequence[HeadView]) -> tuple[Gaussians, Binding]:
    """Discs spread over a mesh with colours: the photos' where they see them well, else the mesh's."""
    assert mesh.colors is not None
    binding = mesh.sample(DISCS)
    points = binding.at(mesh.vertices).double().numpy()
    normals = unit_vectors(binding.at(mesh.normals()).double().numpy())
    total, weights, best = np.zeros_like(points), np.full((len(points), 1), 1e-12), np.zeros((len(points), 1))
    for view in views:
        pixels, facing, sees = colors_in_view(points, normals, view.rgb, view.mask, view.camera)
        share = np.where(sees, ((facing - _SMEARED) / (_SHARP - _SMEARED)).clip(0, 1), 0.0)[:, None]
        # The view that faces a point most decides, as blends of views that do not quite agree are blurred
        weight = share * np.maximum(facing, 0)[:, None] ** 8
        total, weights, best = total + weight * pixels, weights + weight, np.maximum(best, share)
    colors = best * total / weights + (1 - best) * binding.at(mesh.colors).double().numpy()
    return opaque_discs(Surface(points, normals), colors), binding
