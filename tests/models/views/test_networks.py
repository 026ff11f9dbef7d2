"""The network: it starts as the mean head, and order and place of views change nothing."""

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree

from fastavatar.core import Camera, frontal_camera
from fastavatar.errors import InputError, WeightsError
from fastavatar.head import common_movement, load_head, mean_start
from fastavatar.models.published import Dinov2Sizes
from fastavatar.models.views import (
    ViewsNetwork,
    ViewsSizes,
    order_of_content,
    pooled,
    read_network,
    write_network,
)

SIZES = ViewsSizes("convolutional", 32, 32, 200, 16, 8, 8, 2)
DINO = Dinov2Sizes(width=64, depth=2, hidden=64, patch=14, positions=17)


def cameras(count: int) -> list[Camera]:
    front = frontal_camera(1.0, 64.0, 32, 32)
    return [front.orbited(20.0 * index - 30, 5.0) for index in range(count)]


def views(count: int = 4) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(1)
    projections = torch.stack([one.K @ one.world_to_camera[:3] for one in cameras(count)]).float()
    return torch.rand(count, 4, 32, 32), projections


def network(sizes: ViewsSizes = SIZES, dino: Dinov2Sizes | None = None) -> ViewsNetwork:
    torch.manual_seed(0)
    made = ViewsNetwork(sizes, mean_start(sizes.points), dino).eval()
    with torch.no_grad():  # no output is 0 by chance
        for layer in (made.turns, made.opinion, made.correction):
            layer.weight.normal_(0, 0.05)
    return made


def test_it_starts_as_the_mean_head() -> None:
    torch.manual_seed(0)
    found = ViewsNetwork(SIZES, mean_start(200)).eval()(*views())
    start = mean_start(200)
    assert float((found.points - start.points).norm(dim=1).max()) < 0.02
    assert float((found.normals * start.normals).sum(1).min()) > 0.95
    assert found.points.shape == found.colors.shape == (200, 3)


def test_the_order_of_views_changes_no_bit() -> None:
    made, (pictures, projections) = network(), views()
    with torch.no_grad():
        first = made(pictures, projections)
        for order in itertools.permutations(range(4)):
            again = made(pictures[list(order)], projections[list(order)])
            assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))


def test_every_view_counts() -> None:
    made, (pictures, projections) = network(), views()
    with torch.no_grad():
        all_of_them, fewer = made(pictures, projections), made(pictures[:3], projections[:3])
        alone = made(pictures[:1], projections[:1])
    assert not torch.allclose(all_of_them.points, fewer.points) and len(alone.points) == 200


def test_a_point_takes_the_colours_of_where_it_projects() -> None:
    camera = frontal_camera(1.0, 64.0, 32, 32)
    picture = torch.zeros(1, 4, 32, 32)
    picture[:, 3] = 1
    picture[:, 0, :, 16:] = 1  # the right half is red
    with torch.no_grad():
        made = ViewsNetwork(SIZES, mean_start(200)).eval()
        found = made(picture, (camera.K @ camera.world_to_camera[:3]).float()[None])
    column, row = camera.project(found.points)[0].unbind(1)
    shown = (row > 1) & (row < 31) & (column > 1) & (column < 31)
    red = found.colors[:, 0]
    assert float(red[shown & (column > 18)].min()) > 0.8 > 0.2 > float(red[shown & (column < 14)].max())


def test_a_file_gives_the_same_network(tmp_path: Path) -> None:
    made = network()
    write_network(made, tmp_path / "views.pth")
    again = read_network(tmp_path / "views.pth")
    assert again.settings == SIZES
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(made(*views()), again(*views()), strict=True))


def test_dinov2_is_kept_as_it_is(tmp_path: Path) -> None:
    sizes = ViewsSizes("dinov2", 32, 32, 50, 16, 8, 8, 1)
    made = network(sizes, DINO)
    trained = {name.split(".")[0] for name, value in made.named_parameters() if value.requires_grad}
    assert "backbone" not in trained and "look_alone" in trained
    write_network(made, tmp_path / "views.pth")
    again = read_network(tmp_path / "views.pth")
    with torch.no_grad():
        assert torch.equal(made(*views(2)).points, again(*views(2)).points)


@pytest.mark.parametrize("state", [{"a": torch.zeros(3)}, {"views_sizes": torch.tensor([9] * 8)}])
def test_other_files_are_refused(tmp_path: Path, state: dict[str, torch.Tensor]) -> None:
    torch.save({"model_state_dict": state}, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="of the model views"):
        read_network(tmp_path / "other.pth")


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="multiple of 16"):
        ViewsNetwork(ViewsSizes("convolutional", 33, 32, 50, 16, 8, 8, 1), mean_start(50))


def test_more_ways_of_moving_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match="basis must be at most 93"):
        ViewsNetwork(ViewsSizes("convolutional", 32, 32, 50, 16, 94, 8, 1), mean_start(50))


def test_points_agree_on_the_movement_that_most_of_them_want() -> None:
    start = mean_start(400)
    ways = start.modes[:12]
    true = torch.linspace(-1, 1, 12)
    wanted = (torch.einsum("k,knc->nc", true, ways) * start.normals).sum(1)
    found = common_movement(ways, start.normals, wanted, torch.ones(400), torch.tensor(1e-9))
    torch.testing.assert_close(found, true, atol=0.02, rtol=0)
    wrong = wanted.clone()
    wrong[::4] = 0.5
    sure = torch.ones(400)
    sure[::4] = 0
    found = common_movement(ways, start.normals, wrong, sure, torch.tensor(1e-9))
    torch.testing.assert_close(found, true, atol=0.02, rtol=0)  # who is not sure is not heard
    held = common_movement(ways, start.normals, wanted, torch.ones(400), torch.tensor(1e3))
    assert float(held.abs().max()) < 0.01


def test_shoulders_turn_under_a_head_that_stays() -> None:
    head, start = load_head(), mean_start(500)
    turns = head.turns({"head": [0.0, 0.05, 0.0]})
    nobody = np.zeros(80)
    turned = head.motion_of_skull(nobody, turns).inverse().apply(head.vertices(nobody, None, turns))
    near = cKDTree(head.mean).query(start.points.numpy())[1]
    moved, said = (turned - head.mean)[near], start.modes[1].numpy()
    low, face = start.points[:, 1] < -0.2, (start.points[:, 2] > 0.04) & (start.points[:, 1] > 0)
    assert np.abs(said[face]).max() < 1e-4 < 0.005 < np.abs(said[low]).max()
    np.testing.assert_allclose(said[low], moved[low], atol=0.002)


def test_pooling_is_largest_and_mean() -> None:
    assert pooled(torch.tensor([[1.0, 5.0], [3.0, 1.0]])).tolist() == [3, 5, 2, 3]


def test_content_decides_the_order() -> None:
    values = torch.rand(5, 3)
    order = order_of_content(values)
    shuffled = torch.tensor([3, 1, 4, 0, 2])
    again = order_of_content(values[shuffled])
    assert torch.equal(values[order], values[shuffled][again])
