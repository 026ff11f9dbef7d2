from typing import NamedTuple

import numpy as np
import pytest
import torch

from fastavatar.core import frontal_camera
from fastavatar.geometry import Array, Bools, Ints, vertex_normals
from fastavatar.images.parts import CLOTH, HAIR, SKIN, THING
from fastavatar.models.facemesh.materials import covered_ears, expected_materials, seen_materials
from fastavatar.models.facemesh.surface import (
    BEYOND,
    BEYOND_SPACING_M,
    SurfacePoints,
    surface_points,
    with_more,
)
from fastavatar.models.facemesh.template import EAR, FACE, NECK, SKULL, TORSO, load_template
from tests.models.facemesh.heads import view_of
from tests.rendering.shapes import ball

POINTS = surface_points()
PLACES = POINTS.at(load_template().vertices)
SEEN: Bools = np.asarray(PLACES[:, 2] > -0.03)
NONE = np.zeros_like(SEEN)


class Person(NamedTuple):
    """What is seen of skull, neck and torso."""

    skull: int
    neck: int
    torso: int


def expected(person: Person, seen: Bools = SEEN) -> Ints:
    told = np.full(len(PLACES), SKIN)
    for region, material in ((SKULL, person.skull), (NECK, person.neck), (TORSO, person.torso)):
        told[POINTS.region == region] = material
    return expected_materials(POINTS, PLACES, np.where(seen, told, SKIN), seen, NONE)


@pytest.mark.parametrize("skull", [HAIR, SKIN])
@pytest.mark.parametrize("torso", [CLOTH, SKIN])
def test_skull_and_torso_go_on_behind_as_they_are_seen_in_front(skull: int, torso: int) -> None:
    found = expected(Person(skull, SKIN, torso))
    assert (found[POINTS.region == SKULL] == skull).all()
    assert (found[POINTS.region == TORSO] == torso).all()
    assert (found[np.isin(POINTS.region, (FACE, EAR, NECK))] == SKIN).all()


def test_a_lock_over_one_cheek_is_not_mirrored_but_a_fringe_is() -> None:
    left, face = PLACES[:, 0] > 0, POINTS.region == FACE
    cheek, brow = face & (PLACES[:, 1] < -0.02), face & (PLACES[:, 1] > 0.05)
    found = expected_materials(POINTS, PLACES, np.where(left & (cheek | brow), HAIR, SKIN), left, NONE)
    assert (cheek & ~left).any() and (found[cheek & ~left] == SKIN).all()
    assert (brow & ~left).any() and (found[brow & ~left] == HAIR).all()


@pytest.mark.parametrize("azimuth_deg", [0.0, 40.0])
def test_an_ear_is_covered_where_hair_is_seen_in_its_place(azimuth_deg: float) -> None:
    """Hair falls over the left ear alone; from the person's left, nothing tells of the right one."""
    camera = frontal_camera(1.0, 700, 400, 400, torch.zeros(3)).orbited(azimuth_deg)
    normals, left = (
        POINTS.at(vertex_normals(load_template().vertices, load_template().faces)),
        PLACES[:, 0] > 0,
    )
    labels = np.full((400, 400), SKIN)
    ear = PLACES[(POINTS.region == EAR) & left]
    column, row = camera.project(torch.from_numpy(ear).float())[0].numpy().T.astype(int)
    labels[row.min() : row.max() + 1, column.min() : column.max() + 1] = HAIR
    found = covered_ears(
        POINTS, PLACES, normals, [view_of(np.ones((400, 400), np.float32), camera, labels=labels)]
    )
    np.testing.assert_array_equal(found, (POINTS.region == EAR) & left)


def test_a_turtleneck_covers_the_nape_too_and_a_collar_does_not() -> None:
    nape = POINTS.region == NECK
    assert (expected(Person(HAIR, CLOTH, CLOTH))[nape] == CLOTH).all()
    low = PLACES[:, 1] < np.median(PLACES[nape & SEEN, 1])
    told = np.where(nape & low, CLOTH, SKIN)
    found = expected_materials(POINTS, PLACES, told, SEEN, NONE)
    assert (found[nape & ~SEEN] == SKIN).all()


def test_of_a_head_that_is_not_seen_the_usual_is_expected() -> None:
    found = expected(Person(SKIN, SKIN, SKIN), np.zeros_like(SEEN))
    assert (found[POINTS.region == SKULL] == HAIR).all() and (found[POINTS.region == TORSO] == CLOTH).all()
    assert (found[POINTS.region == NECK] == SKIN).all()


def beside_head(vertices: Array, faces: Ints) -> tuple[SurfacePoints, Array]:
    """The points of the template and of a mesh (V, 3), (F, 3) beyond it, and their places (N, 3)."""
    head = load_template().vertices
    both = np.concatenate([head, vertices])
    points = with_more(POINTS, both, faces + len(head), BEYOND, BEYOND_SPACING_M)
    return points, points.at(both)


def test_beyond_the_head_a_point_is_like_the_nearest_that_is_seen() -> None:
    """A bun above and a collar below; what is seen of each decides, and skin never does."""
    vertices, faces = ball(0.03)
    above, below = np.array([0.0, 0.2, -0.08]), np.array([0.0, -0.15, -0.08])
    points, places = beside_head(
        np.concatenate([vertices + above, vertices + below]), np.concatenate([faces, faces + len(vertices)])
    )
    beyond, high = points.region == BEYOND, places[:, 1] > 0.03
    seen = places[:, 2] > -0.08
    told = np.where(beyond, np.where(high, HAIR, CLOTH), SKIN)
    stray = np.flatnonzero(beyond & seen)[::7]
    told[stray] = SKIN
    found = expected_materials(points, places, told, seen, np.zeros_like(seen))
    assert (found[beyond & ~seen & high] == HAIR).all() and (found[beyond & ~seen & ~high] == CLOTH).all()
    hair = beyond & ~high
    known = expected_materials(points, places, told, seen, hair)
    assert (known[hair & ~seen] == HAIR).all() and (known[beyond & seen] == told[beyond & seen]).all()
    none = expected_materials(points, places, told, np.zeros_like(seen), np.zeros_like(seen))
    assert (none[beyond] == HAIR).all()


def test_hidden_cloth_close_under_hair_that_lies_on_it_is_hair() -> None:
    """A lock on the left shoulder, which no view sees behind."""
    shoulder = PLACES[(POINTS.region == TORSO) & (PLACES[:, 0] > 0.1)]
    left = shoulder[shoulder[:, 1].argmax()]
    vertices, faces = ball(0.02)
    points, places = beside_head(vertices + left, faces)
    lock, torso = points.region == BEYOND, points.region == TORSO
    told = np.where(lock, HAIR, np.where(torso, CLOTH, SKIN))
    apart = np.linalg.norm(places - left, axis=1)
    found = expected_materials(points, places, told, lock, np.zeros_like(lock))
    assert (torso & (apart < 0.03)).any()
    assert (found[torso & (apart < 0.03)] == HAIR).all() and (found[torso & (apart > 0.05)] == CLOTH).all()
    seen = expected_materials(points, places, told, np.ones_like(lock), np.zeros_like(lock))
    assert (seen[torso] == CLOTH).all()  # what is seen stays what it is


def test_a_point_is_what_the_view_that_shows_it_best_shows() -> None:
    camera = frontal_camera(1.0, 100, 80, 60)
    left = np.where(np.arange(80) < 40, HAIR, THING) + np.zeros((60, 1), np.int64)
    person = np.ones((60, 80), np.float32)
    views = [view_of(person, camera, labels=labels) for labels in (left, SKIN)]
    pixels = torch.tensor([[10.5, 30.5], [70.5, 30.5], [10.5, 30.5], [10.5, 30.5]])
    places = camera.unproject(pixels, torch.ones(4)).double().numpy()
    shares = np.array([[0.9, 0.9, 0.2, 0.0], [0.1, 0.1, 0.8, 0.0]])
    found = seen_materials(views, places, shares)
    assert found.tolist() == [HAIR, CLOTH, SKIN, SKIN]  # things are as cloth; what no view shows is skin
