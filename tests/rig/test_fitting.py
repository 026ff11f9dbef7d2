"""Heads of other origin: found in pictures of them, fitted and bound."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from fastavatar.core import Avatar, Gaussians
from fastavatar.errors import NoFaceError, UsageError
from fastavatar.head import load_head
from fastavatar.rig import Rig, bind, find_head
from tests.synthetic_capture import make_head


@pytest.fixture(scope="module")
def foreign(avatar: Avatar) -> Gaussians:
    """The portrait's head as another program might write it: turned by 10°, in other units, moved."""
    turn = torch.from_numpy(Rotation.from_euler("YX", [8, 6], degrees=True).as_matrix()).float()
    return avatar.gaussians.transformed(1.3, turn, torch.tensor([0.02, 0.01, -0.03]))


@pytest.fixture(scope="module")
def rig(foreign: Gaussians) -> Rig:
    return bind(foreign)


def test_a_head_is_found_where_it_is_at_its_size(avatar: Avatar, foreign: Gaussians) -> None:
    head = load_head()
    found = find_head(foreign, head)
    assert found.scale == pytest.approx(1.3, rel=0.15)
    yaw, pitch, roll = Rotation.from_matrix(found.axes).as_euler("YXZ", degrees=True)
    assert abs(yaw - 8) < 4 and abs(pitch - 6) < 6 and abs(roll) < 4
    assert avatar.mesh is not None
    at_rest = foreign.means.double().numpy()
    turn = Rotation.from_euler("YX", [8, 6], degrees=True).as_matrix()
    true = 1.3 * avatar.mesh.vertices[: len(head.mean)].double().numpy() @ turn.T + [0.02, 0.01, -0.03]
    away = np.linalg.norm(head.places.at(found.vertices) - head.places.at(true), axis=1)
    assert np.median(away) < 0.005 and len(at_rest) == len(foreign)


def test_at_rest_a_bound_head_is_as_it_was(foreign: Gaussians, rig: Rig) -> None:
    posed = rig.pose({})
    assert rig.own == len(foreign)
    for name, before in foreign.tensors().items():
        assert (posed.tensors()[name][: rig.own] - before).abs().max() < 1e-6, name


def test_a_jaw_opens_and_hair_and_torso_stay(foreign: Gaussians, rig: Rig) -> None:
    moved = (rig.pose({"jawOpen": 1.0}).means - rig.rest.means)[: rig.own].norm(dim=1)
    assert 0.03 < float(moved.quantile(0.999)) < 0.08  # 37 mm in the unit, which is 1.3 times smaller
    away = foreign.means[:, 1] > foreign.means[:, 1].quantile(0.9)
    assert float(moved[away].max()) < 5e-4  # the asset rounds to 0.2 mm


def test_nothing_stays_behind_when_the_head_turns(rig: Rig) -> None:
    turned = rig.pose({}, (25.0, 0.0, 0.0)).means[: rig.own]
    rest = rig.rest.means[: rig.own]
    moved = (turned - rest).norm(dim=1)
    above = rest[:, 1] > 0  # eyes and up: all of it belongs to the head
    angle = 2 * torch.asin((moved / 2 / (rest[:, [0, 2]] - rig.joints[1, [0, 2]]).norm(dim=1)).clamp(max=1))
    assert float(torch.rad2deg(angle[above]).median()) == pytest.approx(25, abs=3)
    assert float(moved[above & (rest[:, 2] > 0.03)].min()) > 0.01


def test_a_head_of_the_published_layout_moves(avatar: Avatar) -> None:
    """One Gaussian for each of FLAME's 10,144 triangles, third-degree harmonics, no mesh."""
    count, full = 10144, avatar.gaussians
    few = full.subset(torch.linspace(0, len(full) - 1, count).long())
    sh = 0.02 * torch.randn(count, 16, 3, generator=torch.Generator().manual_seed(0))
    sh[:, :1] = few.sh
    head = bind(replace(few, log_scales=few.log_scales + math.log(len(full) / count) / 2, sh=sh))
    posed = head.pose({"jawOpen": 1.0}, (15.0, 0.0, 0.0))
    assert head.own == count and posed.sh.shape[1:] == (16, 3)
    jaw = (head.pose({"jawOpen": 1.0}).means - head.rest.means)[:count].norm(dim=1)
    assert 0.025 < float(jaw.quantile(0.999)) < 0.05
    turned = (posed.sh[:count, 1:] - head.rest.sh[:count, 1:]).norm(dim=(1, 2)) > 0.005
    assert float(turned[head.rest.means[:count, 1] > 0].float().mean()) > 0.99  # with the head's colours


def test_what_has_no_face_cannot_be_bound(avatar: Avatar) -> None:
    with pytest.raises(NoFaceError, match="no face is found"):
        bind(make_head(2000))  # with 400, Face Mesh takes it for a face
    with pytest.raises(UsageError, match="without Gaussians"):
        bind(make_head().subset(torch.zeros(0, dtype=torch.int64)))


def test_an_avatar_is_bound_as_it_says(avatar: Avatar, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fastavatar.rig.binding.find_head", None)  # nothing needs to be found
    own = bind(avatar)
    assert own.own == len(avatar.gaussians)
    assert avatar.binding is not None
    known = (avatar.binding.corners < len(load_head().mean)).all(1)
    assert torch.equal(own.attachment.corners[: own.own][known], avatar.binding.corners[known])


def test_an_avatar_without_a_mesh_is_found_like_any_head(avatar: Avatar) -> None:
    bare = bind(replace(avatar, mesh=None, binding=None, head=None))
    assert bare.own == len(avatar.gaussians)
