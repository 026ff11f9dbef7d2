import numpy as np
import pytest
import torch

from fastavatar.core import Camera
from fastavatar.geometry import boundary_loops, triangle_areas
from fastavatar.rendering import rasterise_mesh
from scripts.head.atlas import packed_uv
from scripts.head.bust import cut_bust, lowered_arms
from scripts.head.makehuman import Polygon
from scripts.head.raw import HEAD_FRAME, to_head_frame
from scripts.head.statistics import aligned, modes_of


def test_a_cut_lies_in_its_plane_and_moves_with_the_body() -> None:
    # A cylinder of quads, rings 0.1 apart, cut between two of them
    turn = np.linspace(0, 2 * np.pi, 9)[:-1]
    rings = [np.column_stack([np.cos(turn), np.full(8, h), np.sin(turn)]) for h in (0, 0.1, 0.2, 0.3)]
    body, uv = np.concatenate(rings), np.zeros((32, 2))
    polygons = []
    for ring in range(3):
        for k in range(8):
            corners = (8 * ring + k, 8 * ring + 8 + k, 8 * ring + 8 + (k + 1) % 8, 8 * ring + (k + 1) % 8)
            polygons.append(Polygon(corners, corners))
    bust = cut_bust([polygons], body, uv, 0.13)
    vertices = bust.map @ body
    low = vertices[np.isclose(vertices[:, 1], vertices[:, 1].min())]
    assert len(low) == 8 and np.allclose(low[:, 1], 0.13)
    assert len(boundary_loops(bust.faces)) == 2  # above and below
    np.testing.assert_allclose(bust.map @ (body + [1, 2, 3]), vertices + [1, 2, 3])


def test_arms_are_lowered_about_the_shoulders() -> None:
    bodies = np.array([[[0.0, 0, 0], [0.5, 0.3, 0], [-0.5, 0.3, 0]]])
    shoulders = (np.array([[0.2, 0.5, 0]]), np.array([[-0.2, 0.5, 0]]))
    moved = lowered_arms(bodies, np.array([[0, 0], [1, 0], [0, 1.0]]), shoulders)[0]
    assert (moved[0] == 0).all() and moved[1, 1] < 0.21 and moved[1, 0] < 0.5
    np.testing.assert_allclose(moved[2], moved[1] * [-1, 1, 1], atol=1e-12)


def test_modes_explain_people_and_are_symmetric_or_antisymmetric() -> None:
    random = np.random.default_rng(0)
    mirror = np.array([1, 0, 2, 3, 5, 4])
    base = np.array([[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, -1, 0], [-0.5, -1, 0]])
    high = np.array([0, 0, 0, 1.0, 0, 0])[:, None] * [0, 0, 1]
    aside = np.array([0, 0, 1.0, 0, 0, 0])[:, None] * [1, 0, 0]
    coefficients = random.normal(size=(400, 2)) * [0.3, 0.1]
    people = base + np.einsum("nk,kvc->nvc", coefficients, np.stack([high, aside]))
    mean, modes = modes_of(people, mirror, np.ones(6), 2)
    np.testing.assert_allclose(mean, base, atol=0.05)
    assert (mean == mean[mirror] * [-1, 1, 1]).all()
    assert abs(modes[0, 3, 2]) == pytest.approx(0.3, rel=0.1)
    assert abs(modes[1, 2, 0]) == pytest.approx(0.1, rel=0.1)
    face = np.ones(6, bool)
    moved = aligned(1.3 * people + [0.4, 2, -1], face, mirror)
    spread = np.linalg.norm(moved - moved.mean(0), axis=2).mean()
    assert spread < 0.2 and abs(moved.mean(0)[2:4, 0]).max() < 0.05  # nobody's midplane is everybody's


def test_packed_islands_stand_upright_and_apart() -> None:
    square = np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]])
    uv = np.concatenate(
        [square, square @ [[0, 1], [-1, 0]], 0.1 * square]
    )  # they overlap; one lies on its side
    faces = np.concatenate([np.array([[0, 1, 2], [0, 2, 3]]) + 4 * k for k in range(3)])
    vertices = np.column_stack([np.concatenate([square] * 3), np.zeros(12)])
    placed = packed_uv(uv, faces, vertices, faces, np.ones(6))
    assert placed.min() >= 0 and placed.max() <= 1
    boxes = [(placed[4 * k : 4 * k + 4].min(0), placed[4 * k : 4 * k + 4].max(0)) for k in range(3)]
    for k, (low, high) in enumerate(boxes):
        np.testing.assert_allclose(high - low, (boxes[0][1] - boxes[0][0]))  # one size on the surface
        assert all((high < other[0]).any() or (low > other[1]).any() for other in boxes[:k])
        rise = placed[4 * k + 3] - placed[4 * k]
        assert rise[1] > 0.1 and abs(rise[0]) < 1e-9
    flat = np.column_stack([placed, np.zeros(12)])
    assert (triangle_areas(flat, faces) > 0.01).all()


def test_the_nearer_of_two_triangles_is_seen() -> None:
    corners = np.array([[-1.0, -1, 2], [3, -1, 2], [-1, 3, 2]])
    vertices = np.concatenate([corners, corners + [0, 0, 1]])
    K = np.array([[50.0, 0, 32], [0, 50, 24], [0, 0, 1]])
    camera = Camera(torch.from_numpy(K), torch.eye(4, dtype=torch.float64), 64, 48)
    seen = rasterise_mesh(vertices, np.array([[3, 4, 5], [0, 1, 2]]), camera)
    assert seen.face[24, 32] == 1 and seen.depth[24, 32] == pytest.approx(2)
    point = seen.weights[24, 32] @ corners
    np.testing.assert_allclose(K[:2, :2] @ point[:2] / point[2] + K[:2, 2], [32.5, 24.5])


def test_the_head_frame_is_found_again() -> None:
    landmarks = np.zeros((478, 3))
    landmarks[list(HEAD_FRAME)] = 2 * np.array(list(HEAD_FRAME.values())) + [0, 0.5, -0.1]
    placed = to_head_frame(landmarks)
    assert placed.scale == pytest.approx(0.5) and abs(placed.translation[0]) < 1e-12
    np.testing.assert_allclose(placed.rotation, np.eye(3), atol=1e-9)
