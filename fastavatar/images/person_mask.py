"""Where the person is in a photo, by MediaPipe's selfie segmenter, whose model ships inside its wheel."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label

from fastavatar.faces.mediapipe_quiet import quiet_stderr, solutions

_WHITE = 253
_BACKDROP_SHARE = 0.05


def person_mask(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Coverage (H, W) in 0…1 of the person in a photo (H, W, 3) that frames head and shoulders.

    The network works at 256×256, so edges are about 1/256 of the picture soft.
    """
    with (
        quiet_stderr(),
        solutions().selfie_segmentation.SelfieSegmentation(model_selection=0) as segmenter,
    ):
        mask: NDArray[np.float32] = segmenter.process(rgb).segmentation_mask
    return np.clip(mask, 0, 1) * ~white_backdrop(rgb)


def white_backdrop(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a photo (H, W, 3) shows a pure white backdrop, one that reaches its upper edge: (H, W).

    The segmenter takes the soft fade of a cut-out into such a backdrop for clothing.
    """
    parts, _ = label((rgb >= _WHITE).all(2))
    size = np.bincount(parts.ravel())
    above = [part for part in np.unique(parts[0]) if part and size[part] > _BACKDROP_SHARE * parts.size]
    return np.isin(parts, above)
