import torch
from torch import Tensor

from fastavatar.core import Avatar, Gaussians, frontal_camera
from fastavatar.models.shoulders import without_shoulders
from fastavatar.rendering import render


def test_the_head_stays_as_it_is_and_the_torso_goes(avatar: Avatar) -> None:
    before, after = avatar.gaussians, without_shoulders(avatar).gaussians
    assert float(after.means[:, 1].min()) > -0.17 > float(before.means[:, 1].min())
    for name, values in before.tensors().items():
        torch.testing.assert_close(after.tensors()[name][_of_head(after)], values[_of_head(before)])
    assert bool((after.opacities > 0.99 / 255).all())


def _of_head(gaussians: Gaussians) -> Tensor:
    """Which Gaussians (N,) lie above the chin, and not beside the neck as a collar does."""
    return (gaussians.means[:, 1] > -0.07) & (gaussians.means[:, 0].abs() < 0.1)


def test_the_neck_fades_out_smoothly(avatar: Avatar) -> None:
    camera = frontal_camera(1.2, 900, 360, 360)
    column = render(without_shoulders(avatar).gaussians, camera).alpha[:, 180]
    end = int((column > 0.5).nonzero().max())
    row_m = 1.2 / 900
    assert float(column[end - round(0.03 / row_m)]) > 0.97 and float(column[end + round(0.03 / row_m)]) < 0.03
    assert float(column[180:].diff().abs().max()) < 0.3


def test_only_opacities_change_and_only_downward(avatar: Avatar) -> None:
    before, after = avatar.gaussians, without_shoulders(avatar).gaussians
    assert 0 < len(after) < len(before)
    places = {tuple(mean): index for index, mean in enumerate(before.means.tolist())}
    same = torch.tensor([places[tuple(mean)] for mean in after.means.tolist()])
    for name, values in before.tensors().items():
        if name != "opacity_logits":
            assert torch.equal(after.tensors()[name], values[same]), name
    assert bool((after.opacities <= before.opacities[same] + 1e-6).all())
    assert bool((after.opacities < before.opacities[same] - 0.1).any())


def test_the_rest_stays_bound_to_the_mesh(avatar: Avatar) -> None:
    cut = without_shoulders(avatar)
    assert avatar.binding is not None and cut.binding is not None and cut.mesh is avatar.mesh
    assert len(cut.binding) == len(cut.gaussians) < len(avatar.gaussians)
