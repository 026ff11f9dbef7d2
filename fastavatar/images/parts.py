"""What a photo shows of a person: hair, skin, clothing, things worn, by MediaPipe's multiclass segmenter."""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from fastavatar.errors import WeightsError
from fastavatar.images import guided_filter, matte, quiet_stderr, white_backdrop, without_background

HAIR, SKIN, CLOTH, THING = range(4)
"""Order of `PersonParts.shares`; things are glasses, jewellery, hats, microphones."""

_MODEL = "selfie_multiclass_256x256.tflite"
_MODEL_PX = 256
# The network's classes: background, hair, skin of the body, skin of the face, clothes, others
_HAIR, _SKIN, _CLOTH, _THING = [1], [2, 3], [4], [5]
_BAND_CELLS = 3.0
"""Width of the uncertain edge, in pixels of the network; chosen by eye."""


@dataclass(frozen=True)
class PersonParts:
    """The person in one photo, pixel by pixel."""

    coverage: NDArray[np.float32]
    """(H, W) of the person in 0…1."""
    shares: NDArray[np.float32]
    """(H, W, 4) shares of hair, skin, clothing and things in the person's part of the pixel; they sum to 1."""
    rgb: NDArray[np.float32]
    """(H, W, 3) sRGB in 0…1: the photo, without the background's colour in pixels at the person's edge."""


def person_parts(rgb: NDArray[np.uint8], alpha: NDArray[np.float32] | None = None) -> PersonParts:
    """The parts of the person in a photo (H, W, 3) that frames head and shoulders.

    `alpha` (H, W) in 0…1 is the coverage of a photo that came cut out; the network then decides only what is
    hair, skin and clothing. Raises `WeightsError` where the network's file is missing.
    """
    picture = rgb.astype(np.float32) / 255
    cell = max(rgb.shape[:2]) / _MODEL_PX
    classes = guided_filter(picture, _classes(rgb), max(2, round(2 * cell)))
    classes = np.clip(classes, 0, 1)
    classes /= np.maximum(classes.sum(2, keepdims=True), 1e-6)
    parts = np.stack([classes[..., index].sum(2) for index in (_HAIR, _SKIN, _CLOTH, _THING)], 2)
    shares = parts / np.maximum(parts.sum(2, keepdims=True), 1e-6)
    if alpha is not None:
        return PersonParts(alpha, shares, without_background(picture, alpha, _BAND_CELLS * cell))
    coverage = (1 - classes[..., 0]) * ~white_backdrop(rgb)
    coverage, clean = matte(picture, coverage, _BAND_CELLS * cell)
    return PersonParts(coverage, shares, clean)


def _classes(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities (H, W, 6) of the network's classes in a photo (H, W, 3)."""
    with quiet_stderr():
        import mediapipe

        vision = mediapipe.tasks.vision
        options = vision.ImageSegmenterOptions(
            mediapipe.tasks.BaseOptions(model_asset_buffer=_model()), output_confidence_masks=True
        )
        image = mediapipe.Image(mediapipe.ImageFormat.SRGB, np.ascontiguousarray(rgb))
        with vision.ImageSegmenter.create_from_options(options) as segmenter:
            masks = [mask.numpy_view().squeeze() for mask in segmenter.segment(image).confidence_masks]
            return np.stack(masks, 2).astype(np.float32)


@cache
def _model() -> bytes:
    path = files(__package__).joinpath("face_models", _MODEL)
    if not path.is_file():
        raise WeightsError(
            f"the face models are missing ({_MODEL}): `python -m scripts.face_models` makes them"
        )
    return path.read_bytes()
