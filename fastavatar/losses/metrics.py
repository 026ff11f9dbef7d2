"""PSNR and SSIM of two images, differentiable, over the whole image or over a mask.

Images are sRGB in 0…1, which is compared without linearising it, as is usual in the field.
"""

import math
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from fastavatar.errors import InputError
from fastavatar.geometry import require_shape

# Wang et al. 2004: an 11×11 Gaussian window of 1.5 pixels, K1 = 0.01, K2 = 0.03, for values in 0…1.
SSIM_RADIUS = 5
SSIM_SIGMA = 1.5
_WEIGHTS = [math.exp(-(d**2) / (2 * SSIM_SIGMA**2)) for d in range(-SSIM_RADIUS, SSIM_RADIUS + 1)]
SSIM_WINDOW = tuple(weight / sum(_WEIGHTS) for weight in _WEIGHTS)
SSIM_C1 = 0.01**2
SSIM_C2 = 0.03**2

# The PSNR of equal images is infinite, which JSON cannot express; it is limited to this many dB.
MAX_PSNR = 100.0

# A pixel belongs to the masked region where the mask exceeds this.
MASK_THRESHOLD = 0.5


def psnr(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Peak signal-to-noise ratio () in dB of images (H, W, C), over the pixels of `mask` (H, W) if given.

    At most `MAX_PSNR`; NaN where the mask is empty. Raises `InputError` for shapes that differ.
    """
    _require_pair(image, truth, mask)
    squares = (image - truth) ** 2
    mean_square = squares.mean() if mask is None else squares[mask > MASK_THRESHOLD].mean()
    return -10 * torch.log10(mean_square.clamp_min(10 ** (-MAX_PSNR / 10)))


def ssim(image: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """Mean structural similarity () of images (H, W, C), over the pixels of `mask` (H, W) if given.

    NaN where the mask is empty. Raises `InputError` for shapes that differ or images below 11×11.
    """
    _require_pair(image, truth, mask)
    return mean_similarity(ssim_map(image, truth), mask)


def mean_similarity(similarity: Tensor, mask: Tensor | None = None) -> Tensor:
    """() mean of an `ssim_map` (H − 10, W − 10), over the pixels of `mask` (H, W) if given; NaN if empty."""
    if mask is None:
        return similarity.mean()
    inner = mask[SSIM_RADIUS:-SSIM_RADIUS, SSIM_RADIUS:-SSIM_RADIUS]
    return similarity[inner > MASK_THRESHOLD].mean()


def mean_absolute_error(image: Tensor, truth: Tensor) -> Tensor:
    """() mean absolute difference of images (H, W, C)."""
    return (image - truth).abs().mean()


def structural_dissimilarity(image: Tensor, truth: Tensor) -> Tensor:
    """() 1 − SSIM of images (H, W, C): 0 for equal images."""
    return 1 - ssim(image, truth)


def ssim_map(image: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity (H − 10, W − 10, C) wherever the window fits into the images (H, W, C).

    The weights are the window's own, without Bessel's correction; scikit-image computes the same with
    `gaussian_weights=True, sigma=1.5, use_sample_covariance=False`. Source: Wang et al. 2004, equation 13.
    """
    _require_pair(image, truth, None)
    height, width, channels = image.shape
    if min(height, width) < 2 * SSIM_RADIUS + 1:
        raise InputError(f"SSIM needs images of at least 11×11 pixels, found {width}×{height}")
    x, y = image.movedim(-1, 0), truth.movedim(-1, 0)
    mean_x, mean_xx, mean_xy = torch.split(_blur(torch.cat([x, x * x, x * y])), channels)
    # Blurred separately from x, because the truth seldom needs a gradient
    mean_y, mean_yy = torch.split(_blur(torch.cat([y, y * y])), channels)
    product, squares = mean_x * mean_y, mean_x * mean_x + mean_y * mean_y
    luminance = (2 * product + SSIM_C1) / (squares + SSIM_C1)
    structure = (2 * (mean_xy - product) + SSIM_C2) / (mean_xx + mean_yy - squares + SSIM_C2)
    return (luminance * structure).movedim(0, -1)


def _blur(planes: Tensor) -> Tensor:
    """Planes (P, H, W) convolved with the SSIM window, (P, H − 10, W − 10)."""
    blurred: Tensor = _Blur.apply(planes)  # type: ignore[no-untyped-call] # torch ships it untyped
    return blurred


class _Blur(torch.autograd.Function):
    """Convolution with the SSIM window as sums of shifted planes.

    On a CPU that is several times faster than torch's convolutions, which have no good path for a long, thin
    window that all planes share. Refinement spends much of its time here.
    """

    @staticmethod
    def forward(ctx: Any, planes: Tensor) -> Tensor:
        down = _shifted_sum(planes, dim=1)
        return _shifted_sum(down, dim=2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        # The window is symmetric, so the transposed convolution is the same one over padded planes
        across = _shifted_sum(pad(gradient, (2 * SSIM_RADIUS, 2 * SSIM_RADIUS)), dim=2)
        return _shifted_sum(pad(across, (0, 0, 2 * SSIM_RADIUS, 2 * SSIM_RADIUS)), dim=1)


def _shifted_sum(planes: Tensor, dim: int) -> Tensor:
    """Convolution of planes (P, H, W) with the window along `dim`, whose length becomes 10 less."""
    length = planes.shape[dim] - 2 * SSIM_RADIUS
    total = planes.narrow(dim, 0, length) * SSIM_WINDOW[0]
    for shift, weight in enumerate(SSIM_WINDOW[1:], start=1):
        total.add_(planes.narrow(dim, shift, length), alpha=weight)
    return total


def _require_pair(image: Tensor, truth: Tensor, mask: Tensor | None) -> None:
    require_shape("image", image, None, None, None)
    require_shape("truth", truth, *image.shape)
    if mask is not None:
        require_shape("mask", mask, *image.shape[:2])
