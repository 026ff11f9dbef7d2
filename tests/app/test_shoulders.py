import torch

from fastavatar.app.shoulders import without_shoulders
from fastavatar.core import Avatar, frontal_camera
from fastavatar.rendering import render


def test_the_head_stays_as_it_is_and_the_torso_goes(avatar: Avatar) -> None:
    before, after = avatar.gaussians, without_shoulders(avatar.gaussians)[0]
    assert float(after.means[:, 1].min()) > -0.17 > float(before.means[:, 1].min())
    head = before.means[:, 1] > -0.08
    for name, values in before.tensors().items():
        torch.testing.assert_close(after.tensors()[name][after.means[:, 1] > -0.08], values[head])
    assert bool((after.opacities > 0.99 / 255).all())


def test_the_neck_fades_out_smoothly(avatar: Avatar) -> None:
    camera = frontal_camera(1.2, 900, 360, 360)
    column = render(without_shoulders(avatar.gaussians)[0], camera).alpha[:, 180]
    end = int((column > 0.5).nonzero().max())
    row_m = 1.2 / 900
    assert float(column[end - round(0.03 / row_m)]) > 0.97 and float(column[end + round(0.03 / row_m)]) < 0.03
    assert float(column[180:].diff().abs().max()) < 0.3


def test_only_opacities_of_the_neck_change(avatar: Avatar) -> None:
    again = without_shoulders(without_shoulders(avatar.gaussians)[0])
    assert len(again) <= len(without_shoulders(avatar.gaussians)[0]) < len(avatar.gaussians)
