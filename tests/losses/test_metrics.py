import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage.metrics import peak_signal_noise_ratio, structural_similarity
from torch import Tensor

from fastavatar.errors import InputError
from fastavatar.losses.metrics import MAX_PSNR, SSIM_RADIUS, psnr, ssim, ssim_map


def _pair(seed: int, height: int, width: int, noise: float) -> tuple[Tensor, Tensor]:
    """A smooth picture and the same with noise, (H, W, 3) in 0…1."""
    generator = torch.Generator().manual_seed(seed)
    coarse = torch.rand(1, 3, 4, 4, generator=generator)
    smooth = torch.nn.functional.interpolate(coarse, size=(height, width), mode="bicubic")[0]
    truth = smooth.movedim(0, -1).clamp(0, 1)
    return (truth + noise * torch.randn(truth.shape, generator=generator)).clamp(0, 1), truth


pairs = st.builds(_pair, st.integers(0, 99), st.integers(11, 40), st.integers(11, 40), st.floats(0, 0.5))


@given(pairs)
def test_ssim_is_scikit_images(pair: tuple[Tensor, Tensor]) -> None:
    image, truth = pair
    expected, full = structural_similarity(  # type: ignore[no-untyped-call]
        image.numpy(),
        truth.numpy(),
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=-1,
        full=True,
    )
    r = SSIM_RADIUS
    assert float(ssim(image, truth)) == pytest.approx(float(expected), abs=1e-4)
    np.testing.assert_allclose(ssim_map(image, truth).numpy(), full[r:-r, r:-r], atol=1e-3)


@given(pairs.filter(lambda pair: not torch.equal(*pair)))
def test_psnr_is_scikit_images(pair: tuple[Tensor, Tensor]) -> None:
    image, truth = pair
    a, b = truth.double().numpy(), image.double().numpy()
    expected = peak_signal_noise_ratio(a, b, data_range=1.0)  # type: ignore[no-untyped-call]
    assert float(psnr(image, truth)) == pytest.approx(min(expected, MAX_PSNR), abs=1e-3)


def test_equal_images_score_highest() -> None:
    image, _ = _pair(0, 20, 20, 0.1)
    assert float(psnr(image, image)) == MAX_PSNR
    assert float(ssim(image, image)) == pytest.approx(1, abs=1e-6)


@given(pairs)
def test_a_full_mask_is_no_mask(pair: tuple[Tensor, Tensor]) -> None:
    image, truth = pair
    mask = torch.ones(image.shape[:2])
    for metric in (psnr, ssim):
        torch.testing.assert_close(metric(image, truth, mask), metric(image, truth))


def test_only_the_mask_counts() -> None:
    image, truth = _pair(1, 40, 40, 0.2)
    mask = torch.zeros(40, 40)
    mask[20:30, 20:30] = 0.9
    spoiled = image.clone()
    spoiled[:9] = 1 - spoiled[:9]
    assert float(psnr(spoiled, truth)) != pytest.approx(float(psnr(image, truth)), abs=0.1)
    for metric in (psnr, ssim):
        torch.testing.assert_close(metric(spoiled, truth, mask), metric(image, truth, mask))
    inner = (slice(20, 30), slice(20, 30))
    torch.testing.assert_close(psnr(image, truth, mask), psnr(image[inner], truth[inner]))
    map_there = ssim_map(image, truth)[
        20 - SSIM_RADIUS : 30 - SSIM_RADIUS, 20 - SSIM_RADIUS : 30 - SSIM_RADIUS
    ]
    torch.testing.assert_close(ssim(image, truth, mask), map_there.mean())
    assert all(math.isnan(float(metric(image, truth, mask * 0))) for metric in (psnr, ssim))


def test_gradients_are_right() -> None:
    image, truth = (picture.double() for picture in _pair(2, 13, 14, 0.1))
    mask = (torch.rand(13, 14) > 0.3).double()
    image.requires_grad_()
    for metric in (psnr, ssim):
        assert torch.autograd.gradcheck(lambda x, f=metric: f(x, truth), image)
        assert torch.autograd.gradcheck(lambda x, f=metric: f(x, truth, mask), image)


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"truth must have shape \(20, 20, 3\), found \(20, 21, 3\)"):
        psnr(torch.zeros(20, 20, 3), torch.zeros(20, 21, 3))
    with pytest.raises(InputError, match="mask must have shape"):
        ssim(torch.zeros(20, 20, 3), torch.zeros(20, 20, 3), torch.zeros(3, 3))
    with pytest.raises(InputError, match="at least 11×11"):
        ssim(torch.zeros(10, 20, 3), torch.zeros(10, 20, 3))
