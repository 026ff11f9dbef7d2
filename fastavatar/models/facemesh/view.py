"""The crop of a photo that the embedded model works on: head and shoulders, at the model's resolution."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import distance_transform_edt, label

from fastavatar.core import Box, Camera, Photo
from fastavatar.geometry import Array, Bools, Ints
from fastavatar.images import Classes, PersonParts, person_classes, person_parts

_METRES_PER_PX = 0.0007  # half the spacing of the finest points: more detail could not be shown
# Reach of the crop from the middle of the face in face sizes: to either side, up, down
_REACH = (1.6, 1.5, 2.2)


@dataclass(frozen=True)
class HeadView:
    """One picture of the head."""

    photo_rgb: NDArray[np.uint8]
    """(H, W, 3) sRGB, as in the photo."""
    parts: PersonParts
    """The person in it."""
    camera: Camera
    """The camera that saw it, float64."""

    @property
    def rgb(self) -> NDArray[np.float32]:
        """(H, W, 3) sRGB in 0…1, the person's colours alone at the outline."""
        return self.parts.rgb

    @property
    def mask(self) -> NDArray[np.float32]:
        """(H, W) coverage of the person in 0…1."""
        return self.parts.coverage

    @cached_property
    def edge_px(self) -> Array:
        """(H, W) distance of the person's pixels to the nearest one that is backdrop, 0 elsewhere."""
        return np.asarray(distance_transform_edt(self.mask > 0.5))

    @property
    def metres_per_px(self) -> float:
        """Size of a pixel at the distance of the head's origin."""
        return float(self.camera.world_to_camera[2, 3] / self.camera.K[0, 0])

    def seen_by(self, before: Camera, after: Camera) -> "HeadView":
        """This view of a photo that the camera `after` saw, not `before` as was thought."""
        K = self.camera.K.clone()
        K[:2, :2] *= after.K[0, 0] / before.K[0, 0]
        return replace(self, camera=replace(self.camera, K=K, world_to_camera=after.world_to_camera))

    def without(self, where: Bools) -> "HeadView":
        """This view of the person, but for the pixels in `where` (H, W)."""
        coverage = np.where(where, np.float32(0), self.mask)
        return replace(self, parts=replace(self.parts, coverage=coverage))

    def cells(self, points: Array) -> "Cells":
        """The pixels that points (N, 3) of the head frame lie in."""
        pixels, depth = (values.numpy() for values in self.camera.project(torch.from_numpy(points)))
        column, row = np.floor(pixels).astype(np.int64).T
        height, width = self.mask.shape
        shown = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        at = np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)
        return Cells(at, shown, depth)


class Cells(NamedTuple):
    """Where N points lie in a picture."""

    at: tuple[Ints, Ints]
    """Row and column (N,) of each point's pixel, the nearest one beyond the picture's edge."""
    shown: Bools
    """(N,) which points lie in the picture."""
    depth: Array
    """(N,) metres along the optical axis."""


@dataclass(frozen=True)
class HeadCrop:
    """The part of a photo that shows head and shoulders."""

    rgb: NDArray[np.uint8]
    """(H, W, 3) sRGB."""
    alpha: NDArray[np.float32] | None
    """(H, W) coverage in 0…1 of a photo that came cut out."""
    face: tuple[float, float]
    """Row and column of the middle of the face."""
    camera: Camera
    """The camera that saw it, float64."""


def head_and_shoulders(photo: Photo, face_box: Box, camera: Camera) -> HeadView:
    """The part of the photo that shows head and shoulders, and the person in it; see `head_crop`."""
    crop = head_crop(photo, face_box, camera)
    return view_in(crop, person_classes(crop.rgb))


def head_crop(photo: Photo, face_box: Box, camera: Camera) -> HeadCrop:
    """The part of the photo that shows head and shoulders.

    `face_box` is left, top, right, bottom in pixels; `camera` is the photo's.
    """
    left, top, right, bottom = _crop(face_box, photo.width, photo.height)
    scale = min(1.0, float(camera.world_to_camera[2, 3] / camera.K[0, 0]) / _METRES_PER_PX)
    width, height = max(1, round((right - left) * scale)), max(1, round((bottom - top) * scale))

    def resized(values: NDArray[np.uint8] | NDArray[np.float32]) -> NDArray[np.float32]:
        picture = Image.fromarray(values[top:bottom, left:right])
        return np.asarray(picture.resize((width, height), Image.Resampling.BOX), np.float32)

    alpha = resized(photo.alpha) if photo.alpha is not None and photo.is_cut_out else None
    rgb = resized(photo.rgb).round().astype(np.uint8)
    cropped = camera.to(camera.K.device, torch.float64).cropped(left, top, right, bottom)
    face = ((face_box[1] + face_box[3]) / 2 - top) * scale, ((face_box[0] + face_box[2]) / 2 - left) * scale
    return HeadCrop(rgb, alpha, face, cropped.resized(width, height))


def view_in(crop: HeadCrop, classes: Classes) -> HeadView:
    """The person in a crop, in which a network sees `classes`.

    A photo that came cut out brings its own mask. Of the person, the piece that holds the face counts.
    """
    parts = _piece_with(person_parts(crop.rgb, crop.alpha, classes), crop.face)
    return HeadView(crop.rgb, parts, crop.camera)


def _piece_with(parts: PersonParts, place: tuple[float, float]) -> PersonParts:
    """The parts without pieces of the person that are not connected to the place (row, column)."""
    pieces, _ = label(parts.coverage > 0.5)
    row, column = (
        min(max(round(at), 0), size - 1) for at, size in zip(place, parts.coverage.shape, strict=True)
    )
    if pieces[row, column] == 0:
        return parts
    other = (pieces > 0) & (pieces != pieces[row, column])
    return PersonParts(np.where(other, np.float32(0), parts.coverage), parts.shares, parts.rgb)


def _crop(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in whole pixels of what belongs to the head around a face's box."""
    size = max(box[2] - box[0], box[3] - box[1])
    middle_x, middle_y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
    aside, up, down = (size * reach for reach in _REACH)
    return (
        max(0, round(middle_x - aside)),
        max(0, round(middle_y - up)),
        min(width, round(middle_x + aside)),
        min(height, round(middle_y + down)),
    )
