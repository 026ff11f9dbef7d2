"""Values between pixels and voxels: the right way round, and differentiable twice."""

import numpy as np
import torch
from scipy.ndimage import map_coordinates, spline_filter
from torch.nn.functional import grid_sample

from fastavatar.models.surface import bilinear, spline


def test_a_pixel_is_a_column_and_a_row_and_its_centre_lies_half_a_pixel_in() -> None:
    picture = torch.arange(2 * 3 * 5.0).reshape(1, 2, 3, 5)
    pixels = torch.tensor([[[3.5, 1.5], [0.5, 2.5], [2.0, 0.5]]])
    found = bilinear(picture, pixels)[0]
    assert found[0].tolist() == [float(picture[0, 0, 1, 3]), float(picture[0, 1, 1, 3])]
    assert found[1, 0] == picture[0, 0, 2, 0]
    assert found[2, 0] == (picture[0, 0, 0, 1] + picture[0, 0, 0, 2]) / 2


def test_a_picture_looks_as_to_torch_also_beyond_its_edge() -> None:
    torch.manual_seed(0)
    maps, places = torch.randn(2, 4, 6, 9), 2.4 * torch.rand(2, 50, 2) - 1.2
    wanted = grid_sample(maps, places[:, None], padding_mode="border", align_corners=False)
    pixels = (places + 1) / 2 * torch.tensor([9.0, 6.0])
    torch.testing.assert_close(bilinear(maps, pixels), wanted[:, :, 0].transpose(1, 2))


def test_a_spline_passes_through_its_volume_as_scipys_does() -> None:
    random = np.random.default_rng(0)
    volume, places = random.normal(size=(6, 7, 8)), random.uniform(0, [5, 6, 7], (40, 3))
    coefficients = torch.from_numpy(spline_filter(volume))
    found = spline(coefficients, torch.from_numpy(places))
    np.testing.assert_allclose(found, map_coordinates(volume, places.T, mode="mirror"), atol=1e-12)
    corners = np.array([[2, 3, 1], [4, 5, 6]])
    found = spline(coefficients, torch.from_numpy(corners.astype(float)))
    np.testing.assert_allclose(found, [volume[2, 3, 1], volume[4, 5, 6]], atol=1e-12)


def test_both_have_second_derivatives() -> None:
    torch.manual_seed(0)
    maps = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    pixels = (0.6 + 2.8 * torch.rand(1, 5, 2, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradgradcheck(bilinear, (maps, pixels))
    volume = torch.randn(5, 5, 5, dtype=torch.float64)
    places = (1.1 + 2.8 * torch.rand(5, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradgradcheck(lambda at: spline(volume, at), (places,))
