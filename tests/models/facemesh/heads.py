"""Views of a head that the tests draw themselves, and the parts of a person in them."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from fastavatar.core import Camera
from fastavatar.faces import FaceMeshFinder, find_face
from fastavatar.geometry import Array
from fastavatar.images.parts import SKIN, PersonParts
from fastavatar.models.facemesh.beyond import Volume
from fastavatar.models.facemesh.observation import observe
from fastavatar.models.facemesh.shape import pulled_to_landmarks
from fastavatar.models.facemesh.view import HeadView, head_and_shoulders
from tests.portraits import portrait

Mask = NDArray[np.float32]
Labels = NDArray[np.int64]
NOTHING = Volume(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros(0, bool))
"""The volume of a person who has nothing beyond the head."""


def view_of(
    mask: Mask, camera: Camera, rgb: Mask | None = None, labels: Labels | int = SKIN, share: float = 1.0
) -> HeadView:
    """What a camera sees of a person (H, W): white skin, unless a picture and labels (H, W) say otherwise."""
    rgb = np.ones((*mask.shape, 3), np.float32) if rgb is None else rgb
    shares = np.full((*mask.shape, 4), (1 - share) / 3, np.float32)
    np.put_along_axis(shares, np.broadcast_to(labels, mask.shape)[..., None], share, 2)
    photo_rgb = (255 * rgb).round().astype(np.uint8)
    return HeadView(photo_rgb, PersonParts(mask, shares, rgb), camera.to("cpu", camera.K.double().dtype))


def with_mask(view: HeadView, mask: Mask) -> HeadView:
    """The view of another person (H, W)."""
    return replace(view, parts=replace(view.parts, coverage=mask))


def portraits_head() -> tuple[Array, HeadView]:
    """Vertices (V, 3) in the shape of the portrait's landmarks, and its view."""
    (seen,) = observe([portrait()], [find_face(FaceMeshFinder(), portrait().rgb)])
    view = head_and_shoulders(seen.photo, seen.face.box, seen.camera)
    return pulled_to_landmarks(seen.shape, seen.offsets), view
