import pytest
import torch
from torch import Tensor

from fastavatar.core import frontal_camera
from fastavatar.geometry.spherical_harmonics import C0, basis
from fastavatar.models.published.sh_refit import AZIMUTH_DEG, ELEVATION_DEG, refit_sh

COUNT = 500
FRONT = frontal_camera(1.0, 1000, 100, 100)


def gazes(azimuths_deg: list[float], elevations_deg: list[float]) -> Tensor:
    """(M, 3) directions from cameras orbited by these angles to the head's middle."""
    cameras = [FRONT.orbited(a, e) for a in azimuths_deg for e in elevations_deg]
    return -torch.nn.functional.normalize(torch.stack([camera.center for camera in cameras]), dim=-1)


# none of these is among the directions that are fitted
INSIDE = gazes([-49.0, -33.0, -17.0, -4.0, 8.0, 26.0, 44.0], [-19.0, -7.0, 4.0, 16.0])
BEHIND = gazes([-90.0, 90.0, 135.0, 180.0, 225.0], [-15.0, 0.0, 15.0])


def shown(sh: Tensor, directions: Tensor) -> Tensor:
    """(N, M, 3) colours as they are displayed."""
    size = sh.shape[1]
    colors: Tensor = torch.einsum("mk,nkc->nmc", basis(directions, 3)[:, :size].to(sh), sh)
    return (colors + 0.5).clamp(0, 1)


def smooth_sh(seed: int = 0) -> Tensor:
    """Harmonics (N, 16, 3) of colours from dark to light that change a little with the view."""
    generator = torch.Generator().manual_seed(seed)
    spread = torch.tensor([0.6, *[0.1] * 3, *[0.03] * 12])
    return spread[:, None] * torch.randn(COUNT, 16, 3, generator=generator)


def unseen_sh(size: float) -> Tensor:
    """(N, 16, 3) harmonics as large as `size` that all but vanish where the training views stood."""
    within = basis(gazes([float(a) for a in range(-50, 51, 5)], [float(e) for e in range(-20, 21, 5)]), 3)
    least = torch.linalg.eigh(within.T.double() @ within.double())[1][:, 0].float()
    signs = torch.randn(COUNT, 1, 3, generator=torch.Generator().manual_seed(1)).sign()
    wild: Tensor = size * signs * (least / least.abs().max())[:, None]
    return wild


def test_smooth_colours_are_unchanged_within_the_range() -> None:
    before, after = (shown(sh, INSIDE) for sh in (smooth_sh(), refit_sh(smooth_sh())))
    error = (after - before).abs()
    assert error.mean() < 0.002 and error.quantile(0.99) < 0.01


@pytest.mark.parametrize("size", [30.0, 116.0])
def test_swings_beyond_the_range_go_and_colours_within_it_stay(size: float) -> None:
    wild = smooth_sh() + unseen_sh(size)
    assert (shown(wild, BEHIND) == 0).float().mean() > 0.3  # what its users saw: dark, tinted profiles
    fitted = refit_sh(wild)
    assert fitted[:, 1:].abs().max() < 1 and fitted.abs().max() <= 0.5 / C0 + 1e-4
    error = (shown(fitted, INSIDE) - shown(wild, INSIDE)).abs()
    assert error.mean() < 0.002 + 2e-4 * size
    mean = shown(wild, INSIDE).mean(1, keepdim=True)
    dark = shown(fitted, BEHIND) < 0.45 * mean - 0.1
    assert not dark.any()
    assert (shown(fitted, BEHIND) - mean).abs().mean() < 0.07


def test_colours_are_displayable_well_beyond_the_range_whatever_comes() -> None:
    noise = 20 * torch.randn(COUNT, 16, 3, generator=torch.Generator().manual_seed(2))
    fitted = refit_sh(noise)
    # their mean colours are half-way to black and white, or a tenth where these are near
    unclamped = torch.einsum("mk,nkc->nmc", basis(BEHIND, 3), fitted) + 0.5
    assert unclamped.min() > -0.12 and unclamped.max() < 1.12
    assert fitted.abs().max() < 0.5 / C0 + 1e-4


def test_the_range_is_that_of_the_training_views() -> None:
    assert (AZIMUTH_DEG, ELEVATION_DEG) == (50, 20)
    # colours that change from one rim to the other keep what they are at both
    for edge in (gazes([50.0], [0.0]), gazes([-50.0], [0.0]), gazes([0.0], [20.0]), gazes([0.0], [-20.0])):
        sh = torch.zeros(1, 4, 3)
        sh[0, :, 0] = 0.3 * basis(edge, 1)[0]
        assert (shown(refit_sh(sh), edge) - shown(sh, edge)).abs().max() < 0.01


@pytest.mark.parametrize("size", [1, 4, 9, 16])
def test_every_degree_comes_back_as_it_went(size: int) -> None:
    fitted = refit_sh(smooth_sh()[:, :size])
    assert fitted.shape == (COUNT, size, 3) and fitted.isfinite().all()
    if size == 1:
        torch.testing.assert_close(shown(fitted, INSIDE), shown(smooth_sh()[:, :1], INSIDE))
