"""Matches between pictures of the painted head, of which surface and cameras are known."""

from dataclasses import replace
from functools import cache

import numpy as np
import torch
from scipy.spatial.transform import Rotation

from fastavatar.core import Camera
from fastavatar.faces import FaceMeshFinder, find_face
from fastavatar.geometry import Array
from fastavatar.head import Ties, load_head
from fastavatar.models.facemesh.matching import ties_between
from fastavatar.models.facemesh.predictor import FaceMeshPredictor
from fastavatar.models.facemesh.template import load_template
from fastavatar.models.facemesh.view import HeadView, head_and_shoulders
from fastavatar.rendering import rasterise_mesh
from tests.models.facemesh.several import camera_at, photo_from
from tests.portraits import portrait

FRONT, SIDE = 0.0, 25.0


@cache
def true_shape() -> Array:
    """The parametric head's vertices (V, 3) of the avatar that was photographed."""
    mesh = FaceMeshPredictor().predict(portrait()).mesh
    assert mesh is not None
    return np.asarray(mesh.vertices.double().numpy()[: len(load_head().mean)])


@cache
def view_from(azimuth_deg: float) -> HeadView:
    photo = photo_from(azimuth_deg)
    return head_and_shoulders(photo, find_face(FaceMeshFinder(), photo.rgb).box, true_camera(azimuth_deg))


def true_camera(azimuth_deg: float) -> Camera:
    return camera_at(azimuth_deg).to("cpu", torch.float64)


def turned(camera: Camera, degrees: float) -> Camera:
    """The camera that sees the head turned about its vertical axis."""
    pose = camera.world_to_camera.clone()
    pose[:3, :3] @= torch.from_numpy(Rotation.from_euler("y", degrees, degrees=True).as_matrix())
    return replace(camera, world_to_camera=pose)


def ties_of(cameras: list[Camera]) -> list[Ties]:
    views = [
        view_from(azimuth).seen_by(true_camera(azimuth), camera)
        for azimuth, camera in zip((FRONT, SIDE), cameras, strict=True)
    ]
    return ties_between([true_shape()] * 2, views, cameras)


def misses_px(ties: Ties, cameras: list[Camera]) -> Array:
    """How far (K,) the second photo's place is from where that camera has the first one's, on the surface."""
    first, second = (cameras[photo] for photo in ties.photos)
    places = first.unproject(torch.from_numpy(ties.pixels[0]), _depth(ties, first))
    return np.asarray(np.linalg.norm(second.project(places)[0].numpy() - ties.pixels[1], axis=1))


def _depth(ties: Ties, camera: Camera) -> torch.Tensor:
    """Depth (K,) of the true surface where the first photo has the ties' places."""
    seen = rasterise_mesh(true_shape(), load_template().skin, camera)
    column, row = ties.pixels[0].astype(int).T
    return torch.from_numpy(seen.depth[row, column])


def test_with_true_cameras_the_same_skin_lies_where_the_surface_has_it() -> None:
    cameras = [true_camera(FRONT), true_camera(SIDE)]
    ties = ties_of(cameras)
    assert {one.photos for one in ties} == {(0, 1), (1, 0)}
    for one in ties:
        assert len(one.mean) > 50
        assert np.median(misses_px(one, cameras)) < 1.5


def test_a_wrong_camera_is_seen_in_the_pictures() -> None:
    """With the head turned by 4° too much in one, its skin is still found where that photo shows it."""
    true = [true_camera(FRONT), true_camera(SIDE)]
    wrong = [true[0], turned(true[1], 4.0)]
    (ties,) = [one for one in ties_of(wrong) if one.photos == (0, 1)]
    assert np.median(misses_px(ties, wrong)) > 2
    assert np.median(misses_px(ties, true)) < 0.7 * np.median(misses_px(ties, wrong))


def test_views_from_opposite_sides_have_no_ties() -> None:
    cameras = [true_camera(FRONT), turned(true_camera(SIDE), 170.0)]
    assert ties_of(cameras) == []
