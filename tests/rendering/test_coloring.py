import numpy as np
import pytest
import torch

import fastavatar as fa
from fastavatar.errors import InputError
from fastavatar.rendering.cpu.coloring import Coloring
from tests.rendering.scenes import random_gaussians, slanted_camera

CAMERA = slanted_camera(45, 37)
GAUSSIANS = random_gaussians(0, 60, degree=0)
COLORS = np.random.default_rng(0).uniform(size=(60, 3)).astype(np.float32)
IMAGE = np.random.default_rng(1).normal(size=(37, 45, 3)).astype(np.float32)


def test_the_picture_is_that_of_gaussians_in_these_colours() -> None:
    sh = (torch.from_numpy(COLORS) - 0.5)[:, None] / 0.28209479177387814
    drawn = fa.render(fa.Gaussians(**{**GAUSSIANS.tensors(), "sh": sh}), CAMERA, (0, 0, 0))
    image, alpha = Coloring(GAUSSIANS, CAMERA).picture(COLORS)
    np.testing.assert_allclose(image, drawn.image.numpy(), atol=1e-6)
    np.testing.assert_array_equal(alpha, drawn.alpha.numpy())


def test_gathering_is_the_transposed_map() -> None:
    """⟨W·c, I⟩ = ⟨c, Wᵀ·I⟩ for each Gaussian's own colour, and gradients of renders agree."""
    coloring = Coloring(GAUSSIANS, CAMERA)
    sh = GAUSSIANS.sh.clamp(-1, 1).requires_grad_()
    drawn = fa.render(fa.Gaussians(**{**GAUSSIANS.tensors(), "sh": sh}), CAMERA, (0, 0, 0)).image
    (by_sh,) = torch.autograd.grad(drawn, sh, torch.from_numpy(IMAGE))
    expected = by_sh[:, 0].numpy() / 0.28209479177387814
    sums, weights = coloring.gathered(IMAGE)
    np.testing.assert_allclose(sums, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(
        np.tile(weights, 3), coloring.gathered(np.ones_like(IMAGE))[0], rtol=1e-5, atol=1e-6
    )
    assert np.vdot(coloring.picture(COLORS)[0], IMAGE) == pytest.approx(np.vdot(COLORS, sums), rel=1e-4)


def test_any_number_of_threads_gives_the_same_bytes() -> None:
    one, four = (Coloring(GAUSSIANS, CAMERA, threads) for threads in (1, 4))
    np.testing.assert_array_equal(one.gathered(IMAGE)[0], four.gathered(IMAGE)[0])


def test_a_parameter_that_is_not_finite_is_named() -> None:
    means = GAUSSIANS.means.clone()
    means[7, 1] = torch.nan
    with pytest.raises(InputError, match="means of Gaussian 7"):
        Coloring(fa.Gaussians(**{**GAUSSIANS.tensors(), "means": means}), CAMERA)
