"""Where the person is in a photo, by MediaPipe's selfie segmenter, whose model ships inside its wheel."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import label, uniform_filter

from fastavatar.faces.mediapipe_quiet import quiet_stderr, solutions

_EDGE_RADIUS = 6
_EDGE_REGULARISER = 1e-4
_WHITE, _BLACK = 253, 2
_BACKDROP_SHARE = 0.05


def person_mask(rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Coverage (H, W) in 0…1 of the person in a photo (H, W, 3) that frames head and shoulders.

    The network works at 256×256; its edges are then drawn to those of the photo by a guided filter
    (He et al. 2010).
    """
    with quiet_stderr(), solutions().selfie_segmentation.SelfieSegmentation(model_selection=0) as segmenter:
        coarse = segmenter.process(rgb).segmentation_mask
    guide = rgb.astype(np.float32).mean(2) / 255
    radius = max(_EDGE_RADIUS, max(rgb.shape[:2]) // 100)
    return np.clip(_guided_filter(coarse, guide, radius), 0, 1) * ~plain_backdrop(rgb)


def plain_backdrop(rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a photo (H, W, 3) shows a pure white or black backdrop that touches its edge: (H, W).

    The segmenter takes the soft fade of a cut-out into such a backdrop for clothing.
    """
    backdrop = np.zeros(rgb.shape[:2], bool)
    for plain in ((rgb >= _WHITE).all(2), (rgb <= _BLACK).all(2)):
        parts, _ = label(plain)
        edge = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        size = np.bincount(parts.ravel())
        touching = [part for part in np.unique(edge) if part and size[part] > _BACKDROP_SHARE * parts.size]
        backdrop |= np.isin(parts, touching)
    return backdrop


def _guided_filter(mask: NDArray[np.float32], guide: NDArray[np.float32], radius: int) -> NDArray[np.float32]:
    """The mask (H, W) as a locally linear function of the guide (H, W)."""

    def mean(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(uniform_filter(values, 2 * radius + 1, mode="nearest"), np.float32)

    mean_guide, mean_mask = mean(guide), mean(mask)
    covariance = mean(guide * mask) - mean_guide * mean_mask
    variance = mean(guide * guide) - mean_guide**2
    slope = covariance / (variance + _EDGE_REGULARISER)
    offset = mean_mask - slope * mean_guide
    return mean(slope) * guide + mean(offset)
