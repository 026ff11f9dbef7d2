"""Values between pixels and voxels: the right way round, and differentiable twice."""

import torch
from torch.nn.functional import grid_sample

from fastavatar.models.surface import bilinear, trilinear


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


def test_a_volume_looks_as_to_torch() -> None:
    torch.manual_seed(0)
    volume, places = torch.randn(4, 5, 6), torch.rand(40, 3) * torch.tensor([3.0, 4.0, 5.0])
    grid = 2 * places / torch.tensor([3.0, 4.0, 5.0]) - 1
    wanted = grid_sample(volume[None, None], grid.flip(-1)[None, None, None], align_corners=True)
    torch.testing.assert_close(trilinear(volume, places), wanted.reshape(-1))


def test_both_have_second_derivatives() -> None:
    torch.manual_seed(0)
    maps = torch.randn(1, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    pixels = (0.6 + 2.8 * torch.rand(1, 5, 2, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradgradcheck(bilinear, (maps, pixels))
    volume = torch.randn(4, 4, 4, dtype=torch.float64, requires_grad=True)
    places = (0.1 + 2.8 * torch.rand(5, 3, dtype=torch.float64)).requires_grad_()
    assert torch.autograd.gradgradcheck(trilinear, (volume, places))
