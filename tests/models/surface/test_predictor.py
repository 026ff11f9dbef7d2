"""A photo to an avatar by the model surface, with a network that shows a ball for a head."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import spline_filter

from fastavatar.core import Avatar
from fastavatar.errors import UsageError
from fastavatar.meshing import extract_mesh, is_closed
from fastavatar.models import load_predictor
from fastavatar.models.surface import (
    CELLS,
    CENTER_M,
    RADIUS_M,
    SurfaceNetwork,
    SurfaceNetworkSettings,
    write_network,
)
from fastavatar.results import read_avatar
from fastavatar.train.surface import network_start
from tests.portraits import portrait

BALL = np.array([0.0, -0.02, -0.05]), 0.1
"""Middle and radius, metres, of a ball where the head is."""


@pytest.fixture(scope="module")
def avatar(tmp_path_factory: pytest.TempPathFactory) -> Avatar:
    axis = np.linspace(-1, 1, CELLS + 1)
    places = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), -1) * RADIUS_M + CENTER_M
    distances = (np.linalg.norm(places - BALL[0], axis=-1) - BALL[1]) / RADIUS_M
    torch.manual_seed(0)
    settings = SurfaceNetworkSettings(picture_px=32, channels=8, width=16, layers=2, frequencies=2, ways=3)
    coefficients = torch.from_numpy(spline_filter(distances, output=np.float32))
    path = tmp_path_factory.mktemp("network") / "surface.pth"
    write_network(SurfaceNetwork(settings, network_start()._replace(distances=coefficients)), path)
    return load_predictor("surface", checkpoint=path).predict(portrait())


def test_the_surface_is_the_networks_and_discs_lie_on_it(avatar: Avatar) -> None:
    assert avatar.mesh is not None and avatar.binding is not None
    for points in (avatar.mesh.vertices, avatar.gaussians.means, avatar.binding.at(avatar.mesh.vertices)):
        radii = np.linalg.norm(points.numpy() - BALL[0], axis=1)
        np.testing.assert_allclose(radii, BALL[1], atol=5e-4)
    assert avatar.provenance.model == "surface" and avatar.face is not None


def test_discs_in_front_have_the_photos_colours(avatar: Avatar) -> None:
    front = avatar.gaussians.means[:, 2] > BALL[0][2] + 0.9 * BALL[1]
    pixels, _ = avatar.camera.project(avatar.gaussians.means[front])
    columns, rows = pixels.long().unbind(1)
    shown = torch.from_numpy(avatar.photo.rgb)[rows, columns] / 255
    colors = 0.5 + avatar.gaussians.sh[front, 0] * 0.28209479
    assert float((colors - shown).abs().mean()) < 0.03


def test_results_come_back_and_the_mesh_is_the_surface_simplified(avatar: Avatar, tmp_path: Path) -> None:
    avatar.save(tmp_path / "out")
    again = read_avatar(tmp_path / "out")
    assert again.head is None and again.mesh is not None
    mesh = extract_mesh(again, faces=2000, texture_px=0)
    assert is_closed(mesh.faces.numpy()) and len(mesh.faces) <= 2100
    radii = np.linalg.norm(mesh.vertices.numpy() - BALL[0], axis=1)
    np.testing.assert_allclose(radii, BALL[1], atol=1e-3)


def test_a_checkpoint_is_needed() -> None:
    with pytest.raises(UsageError, match="needs a checkpoint"):
        load_predictor("surface")
