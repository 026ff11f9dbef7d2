from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from fastavatar.captures import Capture, View, read_capture
from fastavatar.core import Avatar, Camera, Gaussians, Mesh, Photo, Provenance
from fastavatar.evaluation.placement import depth_ratios, place_avatar, visible_points
from fastavatar.geometry import matrix_from_quaternion_wxyz
from fastavatar.rendering import render
from tests.synthetic_capture import RADII_M, make_head, write_capture


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Capture:
    folder = tmp_path_factory.mktemp("placed")
    write_capture(folder, mesh=True)
    return read_capture(folder)


def _as_predicted(view: View, scale: float) -> Avatar:
    """The true head as a model might return it: in a frame of its own and of another size."""
    rotation = matrix_from_quaternion_wxyz(torch.tensor([0.8, 0.1, -0.5, 0.2]))
    shift = torch.tensor([0.05, -0.02, 0.03])
    head = make_head().transformed(scale, rotation, shift)
    # the camera that sees this head as the view sees the true one: K [R|t] x = λ · K [R'|t'] x'
    turned = view.camera.world_to_camera[:3, :3] @ rotation.T
    world_to_camera = torch.eye(4)
    world_to_camera[:3, :3] = turned
    world_to_camera[:3, 3] = scale * view.camera.world_to_camera[:3, 3] - turned @ shift
    camera = replace(view.camera, world_to_camera=world_to_camera)
    photo = Photo(np.zeros((camera.height, camera.width, 3), np.uint8), None, None, Path("photo.png"))
    return Avatar(head, camera, photo, None, Provenance("test", "free", 0, "cpu"))


@pytest.mark.parametrize("scale", [0.7, 1.0, 1.6])
@pytest.mark.parametrize("index", [0, 2])
def test_the_avatar_returns_to_where_it_was(capture: Capture, scale: float, index: int) -> None:
    view = capture.views[index]
    placed = place_avatar(_as_predicted(view, scale), capture, view)
    # The rendered depth is a mean over Gaussians of finite size, so the scale is true to about a percent.
    assert placed.scale * scale == pytest.approx(1, abs=0.02)
    assert placed.points > 20 and placed.warnings == ()
    true = make_head()
    off = (placed.gaussians.means - true.means).norm(dim=1)
    assert float(off.max()) < 0.03
    for one, other in ((0, 4), (3, 1)):
        seen = render(placed.gaussians, capture.views[one].camera).image
        assert float((seen - render(true, capture.views[one].camera).image).abs().mean()) < 0.05, other


def test_in_the_input_view_nothing_moves(capture: Capture) -> None:
    view = capture.views[1]
    placed = place_avatar(_as_predicted(view, 1.4), capture, view)
    before, _ = view.camera.project(make_head().means)
    after, _ = view.camera.project(placed.gaussians.means)
    torch.testing.assert_close(after, before, atol=1e-2, rtol=0)


def test_points_serve_where_there_is_no_mesh(capture: Capture) -> None:
    view = capture.views[2]
    placed = place_avatar(_as_predicted(view, 1.3), replace(capture, mesh=None), view)
    assert placed.scale * 1.3 == pytest.approx(1, abs=0.03)


def test_without_truth_the_scale_stays_and_says_so(capture: Capture) -> None:
    view = capture.views[2]
    bare = replace(capture, points=None, mesh=None)
    placed = place_avatar(_as_predicted(view, 1.3), bare, view)
    assert placed.scale == 1 and "neither points nor a mesh" in placed.warnings[0]
    far_off = _as_predicted(view, 1.0)
    far_off = replace(far_off, gaussians=_shifted(far_off.gaussians, 1.0))
    placed = place_avatar(far_off, capture, view)
    assert placed.scale == 1 and "covers no point" in placed.warnings[0]


def test_the_front_is_visible_and_the_back_is_not(capture: Capture) -> None:
    points = make_head(1500).means
    for view in capture.views[1:3]:
        seen = visible_points(points, view)
        normals = torch.nn.functional.normalize(points / torch.tensor(RADII_M) ** 2, dim=1)
        towards = (normals * torch.nn.functional.normalize(view.camera.center - points, dim=1)).sum(1)
        assert bool(seen[towards > 0.5].all())
        assert not bool(seen[towards < -0.2].any())


def test_what_the_mask_or_the_frame_leaves_out_is_not_visible(capture: Capture) -> None:
    view = capture.views[2]
    masked = replace(view, mask=torch.zeros_like(view.mask))
    assert not bool(visible_points(make_head().means, masked).any())
    behind = Camera(view.camera.K, torch.eye(4), view.camera.width, view.camera.height)
    points = make_head().means - torch.tensor([0.0, 0.0, 1.0])
    assert not bool(visible_points(points, replace(view, camera=behind)).any())


def test_ratios_compare_true_with_shown_depth(capture: Capture) -> None:
    view = capture.views[2]
    grown = make_head().transformed(2.0, torch.eye(3), -view.camera.center)  # about the camera centre
    assert float(depth_ratios(grown, make_head().means, view).median()) == pytest.approx(0.5, abs=0.01)


def _shifted(gaussians: Gaussians, by: float) -> Gaussians:
    return gaussians.transformed(1.0, torch.eye(3), torch.tensor([by, 0.0, 0.0]))


def test_the_mesh_moves_with_the_gaussians(capture: Capture) -> None:
    view = capture.views[0]
    avatar = _as_predicted(view, 1.6)
    assert place_avatar(avatar, capture, view).mesh is None
    mesh = Mesh(avatar.gaussians.means, torch.tensor([[0, 1, 2]]))
    placed = place_avatar(replace(avatar, mesh=mesh), capture, view)
    assert placed.mesh is not None
    torch.testing.assert_close(placed.mesh.vertices, placed.gaussians.means, atol=1e-6, rtol=0)
