"""The person mask of a photo, by MediaPipe's selfie segmenter."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from fastavatar.images import as_image, open_task

_WHITE = 253  # chosen by eye: compression makes white a little darker
_LEAST_SHARE, _LEAST_SHARE_BELOW = 0.05, 0.005
"""Least shares of the picture for white at its upper and lower edge to be backdrop; chosen by eye."""


def person_mask(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Coverage (H, W) in 0…1 of the person in a photo (H, W, 3) that frames head and shoulders.

    The network works at 256×256, so edges are blurred over about 1/256 of the picture.
    """
    with open_task("ImageSegmenter", "selfie_segmenter.tflite", output_confidence_masks=True) as segmenter:
        (found,) = segmenter.segment(as_image(rgb)).confidence_masks
        mask: NDArray[np.float32] = found.numpy_view()[..., 0].copy()
    return np.clip(mask, 0, 1) * ~white_backdrop(rgb)


def white_backdrop(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Pixels (H, W) of a photo (H, W, 3) that belong to a pure white backdrop, connected to the upper edge.

    White along the whole lower edge, where the person was cut off, belongs to the backdrop, too. The
    segmenter mistakes that strip, and the fade into it, for clothing.
    """
    parts, _ = label((rgb >= _WHITE).all(2))
    size = np.bincount(parts.ravel())
    above = _large_among(parts[0], size, _LEAST_SHARE)
    from_side_to_side = np.intersect1d(parts[:, 0], parts[:, -1])
    below = _large_among(np.intersect1d(from_side_to_side, parts[-1]), size, _LEAST_SHARE_BELOW)
    return np.isin(parts, np.union1d(above, below) if len(above) else above)


def _large_among(found: NDArray[Any], size: NDArray[Any], least_share: float) -> NDArray[Any]:
    """The labels among `found` (E,) of parts larger than a share of the picture; label 0 is no part.

    `size` (P,) is the number of pixels of each part.
    """
    parts = np.unique(found)
    large = (parts > 0) & (size[parts] > least_share * size.sum())
    return np.asarray(parts[large])
