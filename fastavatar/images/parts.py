"""What a photo shows of a person: hair, skin, clothing, things worn, by MediaPipe's multiclass segmenter."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_fill_holes, grey_dilation, label, mean

from fastavatar.images import (
    WHOLE,
    as_image,
    guided_filter,
    matte,
    open_task,
    white_backdrop,
    without_background,
)

HAIR, SKIN, CLOTH, THING = range(4)
"""Order of `PersonParts.shares`; things are glasses, jewellery, hats, microphones."""

_MODEL_PX = 256
BACKDROP_CLASS, HAIR_CLASS, BODY_SKIN_CLASS, FACE_SKIN_CLASS, CLOTH_CLASS, THING_CLASS = range(6)
"""The classes of the network, in the order of `class_shares`."""
_PARTS = ([HAIR_CLASS], [BODY_SKIN_CLASS, FACE_SKIN_CLASS], [CLOTH_CLASS], [THING_CLASS])
"""The classes that make each part, in the order of `PersonParts.shares`."""
_UNSURE = 0.1
"""The network is never surer than this that a pixel is background, 0.083, nor that it is none, 0.016."""
_WORK_PX = 480
"""Longer side of the picture that edges are found on: nearly twice the network's own."""
_RIM_PX, _HAIR_AT_HOLE = 3, 0.1
"""Width of the rim of a hole, and the share of hair in it from which backdrop is seen between hair."""
_BAND_CELLS = 3.0
"""Width of the uncertain edge, in pixels of the network; chosen by eye."""


@dataclass(frozen=True)
class PersonParts:
    """The person in one photo, pixel by pixel."""

    coverage: NDArray[np.float32]
    """(H, W) of the person in 0…1."""
    shares: NDArray[np.float32]
    """(H, W, 4) shares of hair, skin, clothing and things in the person's part of a pixel; they sum to 1."""
    rgb: NDArray[np.float32]
    """(H, W, 3) sRGB in 0…1: the photo, without the background's colour in pixels at the person's edge."""


class Classes(NamedTuple):
    """What the network says about a photo."""

    rgb: NDArray[np.uint8]
    """(h, w, 3) the photo, at most `_WORK_PX` high and wide."""
    shares: NDArray[np.float32]
    """(h, w, 6) as `class_shares`."""


def person_classes(rgb: NDArray[np.uint8]) -> Classes:
    """What the network says about a photo (H, W, 3); raises `WeightsError` where its file is missing."""
    small = Image.fromarray(rgb)
    if max(rgb.shape[:2]) > _WORK_PX:
        small.thumbnail((_WORK_PX, _WORK_PX), Image.Resampling.BILINEAR, reducing_gap=2.0)
    return Classes(np.asarray(small), class_shares(np.asarray(small)))


def person_parts(
    rgb: NDArray[np.uint8], alpha: NDArray[np.float32] | None = None, classes: Classes | None = None
) -> PersonParts:
    """The parts of the person in a photo (H, W, 3) that frames head and shoulders.

    `alpha` (H, W) in 0…1 is the coverage of a photo that came cut out; the network then decides only what is
    hair, skin and clothing. `classes` are those of `person_classes`, if they are known; else it is asked.
    """
    height, width = rgb.shape[:2]
    small, shares = classes or person_classes(rgb)
    rows, columns = small.shape[:2]
    found = _parts_of(small, shares, None if alpha is None else _resized(alpha, columns, rows))
    if small.shape == rgb.shape:
        return found
    # Edges are found on the smaller picture; what takes the background out of them is added to the large one
    change = _resized(found.rgb - small.astype(np.float32) / np.float32(255), width, height)
    coverage = _resized(found.coverage, width, height) if alpha is None else alpha
    change = np.where((coverage > WHOLE)[..., None], np.float32(0), change)
    clean = np.clip(rgb.astype(np.float32) / np.float32(255) + change, 0, 1)
    return PersonParts(coverage, _resized(found.shares, width, height), clean)


def _resized(values: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Values (H, W) or (H, W, C) at another size, interpolated linearly."""
    if values.ndim == 3:
        return np.stack([_resized(values[..., c], width, height) for c in range(values.shape[2])], 2)
    picture = Image.fromarray(np.ascontiguousarray(values, np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def _parts_of(
    rgb: NDArray[np.uint8], classes: NDArray[np.float32], alpha: NDArray[np.float32] | None
) -> PersonParts:
    """As `person_parts`, at the size of the picture, from the network's `classes` (H, W, 6)."""
    picture = rgb.astype(np.float32) / np.float32(255)
    cell = max(rgb.shape[:2]) / _MODEL_PX
    classes = guided_filter(picture, classes, max(2, round(2 * cell)))
    classes = np.clip(classes, 0, 1)
    classes /= np.maximum(classes.sum(2, keepdims=True), 1e-6)
    parts = np.stack([classes[..., index].sum(2) for index in _PARTS], 2)
    shares = parts / np.maximum(parts.sum(2, keepdims=True), 1e-6)
    if alpha is not None:
        return PersonParts(alpha, shares, without_background(picture, alpha, _BAND_CELLS * cell))
    coverage = np.clip((1 - classes[..., 0] - _UNSURE) / (1 - 2 * _UNSURE), 0, 1) * ~white_backdrop(rgb)
    coverage, clean = matte(picture, _without_holes(coverage, shares[..., HAIR]), _BAND_CELLS * cell)
    return PersonParts(coverage, shares, clean)


def _without_holes(coverage: NDArray[np.float32], hair: NDArray[np.float32]) -> NDArray[np.float32]:
    """Coverage (H, W) with holes filled, except beside hair (H, W): the network misses things worn."""
    person = coverage > 0.5
    holes, count = label(binary_fill_holes(person) & ~person)
    if not count:
        return coverage
    rim = grey_dilation(np.asarray(holes, np.int32), (2 * _RIM_PX + 1,) * 2) * person
    beside_hair = mean(hair, rim, np.arange(count + 1)) > _HAIR_AT_HOLE
    return np.where((holes > 0) & ~beside_hair[holes], np.float32(1), coverage)


def class_shares(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (H, W, 6) of the network's classes in a photo (H, W, 3).

    Raises `WeightsError` where the network's file is missing.
    """
    with open_task("ImageSegmenter", "selfie_multiclass.tflite", output_confidence_masks=True) as segmenter:
        masks = segmenter.segment(as_image(rgb)).confidence_masks
        return np.stack([mask.numpy_view()[..., 0] for mask in masks], 2)
