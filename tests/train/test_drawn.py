import torch

from fastavatar.head import load_head
from fastavatar.train.drawn import DrawnHeads
from fastavatar.train.people import carried


def test_a_drawn_head_shows_the_person_whose_points_it_has() -> None:
    heads = DrawnHeads(3, 4, 500)
    for number in range(3):
        view, points = heads[number]
        assert view.image.shape == (192, 132, 3) and points.shape == (500, 3)
        assert 0 <= float(view.image.min()) and float(view.image.max()) <= 1
        torch.testing.assert_close(points, heads.points_of(number))
        # The camera stands upright beside the shoulders, and so not beside the head
        scene = heads.shape_of(number).to_head.inverse()
        upright = carried(view.camera, scene).world_to_camera[0, 1]
        assert abs(float(upright)) < 1e-4 < abs(float(view.camera.world_to_camera[0, 1]))
        places, _ = view.camera.project(points)
        size = torch.tensor([132, 192])
        inside = ((places > 0) & (places < size)).all(1)
        column, row = places[inside].long().T
        assert float(inside.float().mean()) > 0.8  # the shoulders end beyond the picture
        assert float((view.mask[row, column] > 0.5).float().mean()) > 0.95  # half of the outermost are not
        assert float(view.image[view.mask == 0].min()) == 1  # on white
        assert float(view.image[view.mask == 1].std()) > 0.02


def test_the_same_seed_and_number_give_the_same_head_and_others_another() -> None:
    view, points = DrawnHeads(2, 4, 200)[1]
    again, same = DrawnHeads(9, 4, 200)[1]
    assert torch.equal(view.image, again.image) and torch.equal(points, same)
    for other in (DrawnHeads(2, 4, 200)[0], DrawnHeads(2, 5, 200)[1]):
        assert not torch.equal(view.image, other[0].image)
        assert float((points - other[1]).norm(dim=1).mean()) > 0.002


def test_points_lie_on_the_parametric_head_and_on_its_hair() -> None:
    heads = DrawnHeads(20, 1, 300)
    points = torch.stack([heads.points_of(number) for number in range(20)]).mean(0)
    mean = torch.from_numpy(load_head().mean).float()
    distance = torch.cdist(points, mean).amin(1)
    assert float(distance.median()) < 0.006
    assert 0.01 < float(distance[points[:, 1] > 0.08].mean()) < 0.04  # above the forehead
