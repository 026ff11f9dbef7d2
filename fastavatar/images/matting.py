"""Coverage of a person at the full resolution of a photo, from a coarse mask: guided filter, then matting."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

_EPSILON = 1e-4
"""Regularisation of the guided filter, in squared colours of 0…1: weaker edges do not move the mask."""
WHOLE = 0.98
"""Coverage above which a pixel shows the person alone."""
_CONTRAST = 0.08
"""Distance between foreground and background colours at which matting and mask count alike; chosen by eye."""


def guided_filter(
    guide: NDArray[np.float32], values: NDArray[np.float32], radius: int
) -> NDArray[np.float32]:
    """`values` (H, W, C), smoothed over `radius` pixels, with the edges of the picture `guide` (H, W, 3).

    Source: He et al. 2013, section 3.5, the filter with a colour guide.
    """

    def mean(planes: NDArray[np.float32]) -> NDArray[np.float32]:
        size = (0,) * (planes.ndim - 2) + (2 * radius + 1,) * 2
        return np.asarray(uniform_filter(planes, size, mode="nearest"))

    # Planes (…, H, W), whose sums run over whole rows: much faster than over the channels of each pixel
    I, p = (np.ascontiguousarray(np.moveaxis(picture, 2, 0)) for picture in (guide, values))  # noqa: E741
    mean_i, mean_p = mean(I), mean(p)
    # a = (Σ + ε·1)⁻¹ (mean(I·p) − mean(I)·mean(p)), b = mean(p) − aᵀ·mean(I)
    spread = mean(I[:, None] * I) - mean_i[:, None] * mean_i
    shared = mean(I[:, None] * p) - mean_i[:, None] * mean_p
    slope = np.einsum("ijhw,jchw->ichw", _inverses(spread), shared)
    offset = mean_p - np.einsum("ihw,ichw->chw", mean_i, slope)
    return np.moveaxis(np.einsum("ihw,ichw->chw", I, mean(slope)) + mean(offset), 0, 2)


def _inverses(spread: NDArray[np.float32]) -> NDArray[np.float32]:
    """(3, 3, H, W) inverses of symmetric matrices with `_EPSILON` added to their diagonals, by cofactors."""
    # As float64: where colours vary in one direction alone, the determinant cancels
    x, y, z = spread.astype(np.float64) + _EPSILON * np.eye(3)[..., None, None]
    cofactors = np.stack([np.cross(y, z, axis=0), np.cross(z, x, axis=0), np.cross(x, y, axis=0)])
    return np.asarray(cofactors / (x * cofactors[0]).sum(0), np.float32)


def matte(
    rgb: NDArray[np.float32], coverage: NDArray[np.float32], band_px: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Coverage (H, W) sharpened where it is uncertain, and the picture (H, W, 3) without the background.

    Near the edge, the colour is a mix I = α·F + (1 − α)·B of the local means F inside and B outside, so that
    α = (I − B)·(F − B) / ‖F − B‖². Where both are alike, the given coverage is kept. `rgb` is in 0…1,
    `band_px` the width of the uncertain band.
    """
    inside, outside = (coverage > 0.95).astype(np.float32), (coverage < 0.05).astype(np.float32)
    front, known_front = _local_mean(rgb, inside, band_px)
    behind, known_behind = _local_mean(rgb, outside, band_px)
    apart = front - behind
    square = (apart**2).sum(2)
    mixed = np.clip(((rgb - behind) * apart).sum(2) / np.maximum(square, 1e-6), 0, 1)
    trust = square / (square + _CONTRAST**2) * (known_front & known_behind)
    alpha = coverage + trust * (mixed - coverage) * (1 - inside) * (1 - outside)
    return alpha.astype(np.float32), without_background(rgb, alpha, band_px)


def without_background(
    rgb: NDArray[np.float32], alpha: NDArray[np.float32], band_px: float
) -> NDArray[np.float32]:
    """The picture (H, W, 3) without the background's share of pixels partly covered by `alpha` (H, W)."""
    front, known_front = _local_mean(rgb, (alpha > 0.95).astype(np.float32), band_px)
    behind, known_behind = _local_mean(rgb, (alpha < 0.05).astype(np.float32), band_px)
    # F = (I − (1 − α)·B) / α, which noise spoils where α is small: there the local mean takes over
    share = np.clip(alpha, 0.3, 1)[..., None]
    own = np.where(known_behind[..., None], np.clip((rgb - (1 - share) * behind) / share, 0, 1), rgb)
    weight = np.clip((alpha - 0.4) / 0.55, 0, 1)[..., None] ** 2
    clean = np.where(known_front[..., None], weight * own + (1 - weight) * front, rgb)
    return np.where((alpha > WHOLE)[..., None], rgb, clean).astype(np.float32)


def _local_mean(
    rgb: NDArray[np.float32], where: NDArray[np.float32], sigma_px: float
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Mean colours (H, W, 3) around each pixel of those in `where` (H, W), and where (H, W) there are any."""
    weight = gaussian_filter(where, sigma_px)
    blurred = gaussian_filter(rgb * where[..., None], (sigma_px, sigma_px, 0))
    return np.asarray(blurred / np.maximum(weight, 1e-6)[..., None], np.float32), weight > 1e-4
