"""Values on the pixels of a picture."""

import numpy as np
from scipy.ndimage import gaussian_filter

from fastavatar.geometry import Array, Bools


def mean_around(values: Array, where: Bools, sigma_px: float) -> Array:
    """The mean (H, W) of values (H, W) around each pixel, of those in `where` (H, W) alone; 0 far from all.

    Normalised convolution (Knutsson and Westin 1993) with a Gaussian of standard deviation `sigma_px`.
    """
    weight = gaussian_filter(where.astype(np.float64), sigma_px)
    return np.asarray(gaussian_filter(np.where(where, values, 0), sigma_px) / np.maximum(weight, 1e-9))
