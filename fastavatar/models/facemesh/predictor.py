"""One photo to an avatar, with nothing but what ships in the package.

photo ─ Face Mesh ─▶ landmarks ─ parametric head ─▶ camera, head ─ fit to the view ─▶ head, volume beyond it
  ├──── Pose ─▶ torso's orientation ──────────────────────────┤                                │
  └──── segmenter ─▶ hair, skin, clothes, backdrop ───────────┘                                │
               └──────────── colours where seen, completed where not ◀── surface points ◀──────┘
"""

from collections.abc import Sequence

import torch

from fastavatar.core import Avatar, Photo, Provenance
from fastavatar.errors import UsageError
from fastavatar.faces import FaceMeshFinder, find_wanted_face
from fastavatar.images import person_classes
from fastavatar.models.facemesh import (
    PhotosFacts,
    dress,
    fit_to_views,
    head_crop,
    head_of_several,
    observe,
    pulled_to_landmarks,
    turn_in,
    view_in,
)
from fastavatar.models.stages import stage
from fastavatar.rendering import ahead
from fastavatar.system import share_arenas

LICENCE = "free for any use, as far as the photo is yours to use (MIT code, Apache-2.0 face models)"


class FaceMeshPredictor:
    """The embedded model. It has no weights of its own and no random choices."""

    name = "facemesh"

    def __init__(self, device: str = "cpu", seed: int = 0) -> None:
        self.device = device
        self.seed = seed
        share_arenas()  # the networks and the work beside them have threads of their own

    def predict(self, photo: Photo, face: int | None = None) -> Avatar:
        """The avatar of the face numbered `face` from the left, of the largest without it.

        Without `face`, a photo that lies on its side is turned; the avatar has the turned photo.
        Raises `NoFaceError` when there is no such face.
        """
        seconds: dict[str, float] = {}
        with stage(seconds, "find faces"):
            photo, found, turned = find_wanted_face(FaceMeshFinder(), photo, face)
        with stage(seconds, "pose"):
            (seen,) = observe([photo], [found], chosen=face is not None)
        with stage(seconds, "person mask"):
            crop = head_crop(photo, found.box, seen.camera)
            classes = person_classes(crop.rgb)
            # Networks run one after the other, beside everything else
            turn = ahead(lambda: turn_in(crop.rgb, crop.camera))
            view = view_in(crop, classes)
            concerns = ahead(seen.concerns)
        with stage(seconds, "fit head"):
            shape = pulled_to_landmarks(seen.shape, seen.offsets)
            fitted = fit_to_views(shape, seen.parameters, turn(), [view])
        with stage(seconds, "colours"):
            head = dress(fitted, seen.parameters, [view])
        warnings = (*turned, *concerns())
        provenance = Provenance(self.name, LICENCE, self.seed, self.device, seconds, warnings)
        camera = seen.camera.to("cpu", torch.float32)
        return Avatar(
            head.gaussians.to(self.device),
            camera,
            photo,
            found,
            provenance,
            mesh=head.mesh,
            binding=head.binding,
            head=head.parameters,
        )

    def predict_several(self, photos: Sequence[Photo]) -> Avatar:
        """One avatar from photos of one person, the largest face of each; their order does not matter to it.

        Camera, photo and face are the first photo's, `others` are the rest. Of three or more photos, one
        whose skin does not agree with the others is left out, with a warning.
        Raises `NoFaceError`, naming the photo, where one shows no face, `UsageError` without photos.
        """
        if not photos:
            raise UsageError("there is no photo to make an avatar of")
        if len(photos) == 1:
            return self.predict(photos[0])
        seconds: dict[str, float] = {}
        head, shots, left_out = head_of_several(photos, seconds)
        doubts = (f"{shot.photo.name}: {text}" for shot in shots for text in shot.warnings)
        warnings = (*left_out, *doubts)
        facts = (PhotosFacts(tuple(shots)),)
        provenance = Provenance(self.name, LICENCE, self.seed, self.device, seconds, warnings, facts)
        first, others = shots[0], tuple((shot.photo, shot.camera) for shot in shots[1:])
        return Avatar(
            head.gaussians.to(self.device),
            first.camera,
            first.photo,
            first.face,
            provenance,
            others=others,
            mesh=head.mesh,
            binding=head.binding,
            head=head.parameters,
        )
