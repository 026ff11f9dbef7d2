"""The network: it starts as the mean head, sees through the photo's camera, comes back from its file."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import spline_filter

from fastavatar.errors import InputError, WeightsError
from fastavatar.models.surface import (
    CELLS,
    CENTER_M,
    RADIUS_M,
    SurfaceNetwork,
    SurfaceNetworkSettings,
    bilinear,
    projected,
    read_network,
    write_network,
)
from fastavatar.train.surface import network_start

SETTINGS = SurfaceNetworkSettings(picture_px=32, channels=8, width=16, layers=4, frequencies=2, ways=20)


def ball_network() -> SurfaceNetwork:
    """A network whose mean head is a ball of half the sphere's radius."""
    torch.manual_seed(0)
    axis = torch.linspace(-1, 1, CELLS + 1)
    places = torch.stack(torch.meshgrid(axis, axis, axis, indexing="ij"), -1)
    distances = (places.norm(dim=-1) - 0.5).numpy()
    start = network_start()
    coefficients = torch.from_numpy(spline_filter(distances, output=np.float32))
    return SurfaceNetwork(SETTINGS, start._replace(distances=coefficients))


def projections() -> torch.Tensor:
    """Of a camera one metre in front of the sphere's middle."""
    x, y, z = CENTER_M
    across, down = [40.0, 0, -16, 16 - 40 * x + 16 * z], [0, -40, -16, 16 + 40 * y + 16 * z]
    return torch.tensor([[across, down, [0, 0, -1, 1 + z]]])


def test_it_starts_as_the_mean_head_and_beyond_its_grid_distances_grow() -> None:
    network = ball_network()
    points = torch.tensor(CENTER_M) + RADIUS_M * torch.tensor([[[0.5, 0, 0], [0, -0.25, 0], [0, 0, 2.0]]])
    found = network(network.look(torch.rand(1, 4, 32, 32), projections()), points)
    torch.testing.assert_close(found.distances[0], torch.tensor([0.0, -0.25, 1.5]), atol=1e-3, rtol=0)
    assert found.colors.shape == (1, 3, 3)


def test_a_point_sees_its_own_pixel_and_no_mirrored_one() -> None:
    picture = torch.zeros(1, 1, 32, 32)
    picture[..., 12, 24] = 1  # right of the middle and above it
    points = torch.tensor(CENTER_M) + torch.tensor(
        [[[0.2125, 0.0875, 0], [-0.2125, 0.0875, 0], [0.2125, -0.0875, 0], [0.0875, 0.2125, 0]]]
    )
    values = bilinear(picture, projected(points, projections()))[0, :, 0]
    torch.testing.assert_close(values, torch.tensor([1.0, 0, 0, 0]), atol=1e-4, rtol=0)


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    network = ball_network()
    for layer in (network.shift_and_rest, network.opinion):
        torch.nn.init.normal_(layer.weight)
    write_network(network, tmp_path / "a.pth")
    again = read_network(tmp_path / "a.pth")
    assert again.settings == SETTINGS
    picture, points = torch.rand(1, 4, 32, 32), torch.rand(1, 7, 3) / 4
    for one, other in zip(
        network(network.look(picture, projections()), points),
        again(again.look(picture, projections()), points),
        strict=True,
    ):
        assert torch.equal(one, other)


def test_other_files_are_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({"model_state_dict": {"weight": torch.zeros(3)}}, path)
    with pytest.raises(WeightsError, match="no checkpoint of the model surface"):
        read_network(path)
    path.write_bytes(b"nothing")
    with pytest.raises(WeightsError):
        read_network(path)


def test_the_mean_head_moves_as_its_points_agree() -> None:
    """Where a point of the moved mean head lies, the field has the mean head's own distance: none."""
    torch.manual_seed(0)
    network = SurfaceNetwork(SETTINGS, network_start()).eval()
    with torch.no_grad():
        network.opinion.bias[0] = 2.0  # all of them want 2 cm outward
        seen = network.look(torch.rand(1, 4, 32, 32), projections())
        moved = seen.moved[0, -1]
        there, here = (network(seen, one[None]).distances.abs() for one in (moved, network.points))
    assert float((moved - network.points).norm(dim=1).mean()) > 0.008
    assert float(there.median()) < 0.3 * float(here.median())


def test_more_ways_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match="ways must be at most 93"):
        SurfaceNetwork(replace(SETTINGS, ways=94), network_start())
