"""The steps on the way to a mesh, each alone."""

import numpy as np
import pytest
from scipy.ndimage import binary_dilation, label

from fastavatar.meshing import is_closed, rasterise_layout, simplified, smoothed, unwrap
from tests.rendering.shapes import ball as ball_mesh


def test_a_closed_surface_is_told_from_an_open_and_a_branching_one() -> None:
    _, faces = ball_mesh(0.1, 200)
    assert is_closed(faces)
    assert not is_closed(faces[1:])  # a hole
    assert not is_closed(np.concatenate([faces, faces[:1]]))  # an edge of three triangles
    turned = faces.copy()
    turned[0] = turned[0, ::-1]
    assert not is_closed(turned)  # one triangle wound the other way


def test_smoothing_takes_noise_away_and_not_size() -> None:
    vertices, faces = ball_mesh(0.1, 2000)
    noisy = vertices * (1 + 0.01 * np.random.default_rng(0).standard_normal((len(vertices), 1)))
    radii = np.linalg.norm(smoothed(noisy, faces, 10), axis=1)
    assert radii.std() < 0.4 * np.linalg.norm(noisy, axis=1).std()
    assert radii.mean() == pytest.approx(0.1, rel=0.003)


def test_simplification_keeps_a_surface_closed_and_in_place() -> None:
    vertices, faces = ball_mesh(0.1, 5000)
    fewer = simplified(vertices + [0, 5, 0], faces, 500)
    assert fewer is not None and is_closed(fewer[1]) and 450 < len(fewer[1]) <= 500
    radii = np.linalg.norm(fewer[0] - [0, 5, 0], axis=1)
    assert 0.095 < radii.min() and radii.max() < 0.102
    same = simplified(vertices, faces, len(faces))
    assert same is not None and same[1] is faces


def test_charts_of_a_bent_tube_lie_apart() -> None:
    """A torus has sides that face one way at two depths."""
    ring, tube = np.meshgrid(np.arange(60) * 2 * np.pi / 60, np.arange(24) * 2 * np.pi / 24, indexing="ij")
    out = 0.1 + 0.03 * np.cos(tube)
    places = np.stack([out * np.cos(ring), 0.03 * np.sin(tube), -out * np.sin(ring)], -1).reshape(-1, 3)
    number = np.arange(60 * 24).reshape(60, 24)
    a, b = number, np.roll(number, -1, 0)
    c, d = np.roll(b, -1, 1), np.roll(a, -1, 1)
    faces = np.concatenate([np.stack([a, b, c], -1).reshape(-1, 3), np.stack([a, c, d], -1).reshape(-1, 3)])
    assert is_closed(faces)
    uv, uv_faces = unwrap(places, faces)
    corners = uv[uv_faces]
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
    layout = rasterise_layout(uv, uv_faces, 1024)
    assert (areas > 0).all()
    assert layout.used.mean() == pytest.approx(areas.sum(), rel=0.01)
    assert 0.2 < areas.sum() < 1
    # Bilinear filters and smaller pictures of the texture read beyond a chart's edge
    around = np.ones((3, 3), bool)
    wide = binary_dilation(layout.used, around, iterations=2)
    assert label(wide, around)[1] == label(layout.used, around)[1], "charts lie 4 apart"
    assert not layout.used[[0, 1, -2, -1]].any() and not layout.used[:, [0, 1, -2, -1]].any()


def test_a_chart_that_lies_over_itself_is_split() -> None:
    """The upper side of a coil of two turns is one piece that faces up, at two heights."""
    along, tube = np.meshgrid(np.linspace(0, 4 * np.pi, 120), np.arange(16) * 2 * np.pi / 16, indexing="ij")
    out = 0.1 + 0.015 * np.cos(tube)
    height = 0.06 * along / (2 * np.pi) + 0.015 * np.sin(tube)
    places = np.stack([out * np.cos(along), height, -out * np.sin(along)], -1).reshape(-1, 3)
    number = np.arange(120 * 16).reshape(120, 16)
    a, b = number[:-1], number[1:]
    c, d = np.roll(b, -1, 1), np.roll(a, -1, 1)
    first, last = number[0], number[-1]
    caps = [(first, np.roll(first, -1), len(places)), (np.roll(last, -1), last, len(places) + 1)]
    faces = np.concatenate(
        [
            np.stack([a, b, c], -1).reshape(-1, 3),
            np.stack([a, c, d], -1).reshape(-1, 3),
            *(np.stack([one, other, np.full(16, middle)], -1) for one, other, middle in caps),
        ]
    )
    places = np.concatenate(
        [places, places[first].mean(0, keepdims=True), places[last].mean(0, keepdims=True)]
    )
    assert is_closed(faces)
    uv, uv_faces = unwrap(places, faces)
    corners = uv[uv_faces]
    one, other = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    areas = (one[:, 0] * other[:, 1] - one[:, 1] * other[:, 0]) / 2
    assert rasterise_layout(uv, uv_faces, 1024).used.mean() == pytest.approx(areas.sum(), rel=0.02)


def test_texels_beside_a_triangle_belong_to_its_rim() -> None:
    uv = np.array([[0.25, 0.25], [0.75, 0.25], [0.25, 0.75]])
    faces = np.array([[0, 1, 2]])
    strict, with_rim = rasterise_layout(uv, faces, 64), rasterise_layout(uv, faces, 64, 2.0)
    assert strict.used.sum() == pytest.approx(0.125 * 64**2, abs=20)
    added = with_rim.used & ~strict.used
    assert added.sum() > 150 and not (strict.used & ~with_rim.used).any()
    np.testing.assert_allclose(with_rim.weights[with_rim.used].sum(1), 1, atol=1e-6)
    assert (with_rim.weights >= 0).all()
    rows, columns = np.nonzero(strict.used)
    # Row 0 lies at v = 1
    middle = np.stack([(columns + 0.5) / 64, 1 - (rows + 0.5) / 64], 1)
    np.testing.assert_allclose(strict.weights[strict.used] @ uv, middle, atol=1e-6)
