import numpy as np
import pytest

from fastavatar.geometry import Ints, triangle_areas, vertex_normals
from fastavatar.models.facemesh.template import (
    EAR,
    FACE,
    JAW,
    LANDMARKS,
    NECK,
    SKULL,
    TORSO,
    HeadTemplate,
    load_template,
)

NOSE_TIP, RIGHT_EYE, LEFT_EYE, CHIN, FOREHEAD = 4, 468, 473, 152, 10


@pytest.fixture(scope="module")
def template() -> HeadTemplate:
    return load_template()


def directed_edges(faces: Ints) -> list[tuple[int, int]]:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return [(int(a), int(b)) for a, b in edges]


def test_the_surface_is_closed_and_has_one_outside(template: HeadTemplate) -> None:
    """Each edge is walked once in each direction: no hole, no triangle turned over, no sheet too many."""
    edges = directed_edges(template.faces)
    assert len(set(edges)) == len(edges)
    assert {(b, a) for a, b in edges} == set(edges)


def test_the_template_is_a_ball_without_handles(template: HeadTemplate) -> None:
    edges = directed_edges(template.faces)
    vertices = len(np.unique(template.faces))
    assert vertices - len(edges) // 2 + len(template.faces) == 2  # Euler's formula


def test_the_templates_normals_point_outward(template: HeadTemplate) -> None:
    a, b, c = (template.vertices[template.faces[:, k]] for k in range(3))
    litres = 1000 * np.einsum("fi,fi->", a, np.cross(b, c)) / 6
    assert 4 < litres < 16  # negative if it were inside out
    normals = vertex_normals(template.vertices, template.faces)
    assert normals[NOSE_TIP, 2] > 0.5 and normals[FOREHEAD, 2] > 0.5
    top = template.vertices[:, 1].argmax()
    assert normals[top, 1] > 0.9


def test_mirroring_twice_changes_nothing(template: HeadTemplate) -> None:
    np.testing.assert_array_equal(template.mirror[template.mirror], np.arange(len(template.vertices)))


def test_the_template_is_exactly_symmetric(template: HeadTemplate) -> None:
    np.testing.assert_array_equal(
        template.vertices[template.mirror], template.vertices * np.array([-1, 1, 1])
    )
    np.testing.assert_array_equal(template.region[template.mirror], template.region)


def test_nearly_every_triangle_has_a_mirror_image(template: HeadTemplate) -> None:
    """Not those between the lips and along the seam of face and skull, which are zipped from one end."""
    triangles = {tuple(np.roll(t, -t.argmin())) for t in template.faces}
    mirrored = {tuple(np.roll(t, -t.argmin())) for t in template.mirror[template.faces][:, ::-1]}
    assert len(triangles & mirrored) > 0.98 * len(triangles)


def test_the_landmarks_come_first(template: HeadTemplate) -> None:
    assert (template.region[:LANDMARKS] == FACE).all() and (template.region[LANDMARKS:] != FACE).all()
    assert (template.mirror[:LANDMARKS] < LANDMARKS).all()
    assert template.mirror[RIGHT_EYE] == LEFT_EYE and template.mirror[NOSE_TIP] == NOSE_TIP
    drawn = np.unique(template.faces)  # all but the rims of the irises
    np.testing.assert_array_equal(drawn[:470], [*range(469), 473])


def test_the_template_stands_upright_in_the_head_frame(template: HeadTemplate) -> None:
    v = template.vertices
    assert v[LEFT_EYE, 0] > 0 > v[RIGHT_EYE, 0]  # x to the person's left
    assert v[FOREHEAD, 1] > v[LEFT_EYE, 1] > v[CHIN, 1]
    assert v[NOSE_TIP, 2] == v[:, 2].max()
    middle = [v[template.region == region].mean(0) for region in (SKULL, EAR, JAW, NECK, TORSO)]
    heights = [float(m[1]) for m in middle]
    assert heights == sorted(heights, reverse=True)


def test_the_template_has_an_adults_size(template: HeadTemplate) -> None:
    v = template.vertices
    assert np.linalg.norm(v[LEFT_EYE] - v[RIGHT_EYE]) == pytest.approx(0.063, abs=0.002)
    head = v[np.isin(template.region, (FACE, SKULL, EAR, JAW))]
    breadth, height, length = np.ptp(head, axis=0)
    assert 0.15 < breadth < 0.20 and 0.20 < height < 0.27 and 0.17 < length < 0.25
    shoulders = np.ptp(v[template.region == TORSO, 0])
    assert 0.30 < shoulders < 0.50


def test_no_triangle_is_a_sliver_without_area(template: HeadTemplate) -> None:
    areas = triangle_areas(template.vertices, template.faces)
    assert (areas > 0).mean() > 0.995
