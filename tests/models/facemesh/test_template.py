import numpy as np
import pytest

from fastavatar.geometry import Ints, vertex_normals
from fastavatar.head import load_head
from fastavatar.models.facemesh.template import (
    EAR,
    EYE,
    FACE,
    JAW,
    MOUTH,
    NECK,
    SKULL,
    SOCKET,
    TEETH,
    TORSO,
    HeadTemplate,
    load_template,
)


@pytest.fixture(scope="module")
def template() -> HeadTemplate:
    return load_template()


def directed_edges(faces: Ints) -> list[tuple[int, int]]:
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    return [(int(a), int(b)) for a, b in edges]


def closed_skin(template: HeadTemplate) -> Ints:
    """The drawn triangles of the skin's vertices, which include those that close it below."""
    return template.faces[np.isin(template.faces, np.unique(template.skin)).all(1)]


def test_the_skin_is_closed_and_has_one_outside(template: HeadTemplate) -> None:
    """Each edge is walked once in each direction: no hole, no triangle turned over, no sheet too many."""
    skin = closed_skin(template)
    edges = directed_edges(skin)
    assert len(set(edges)) == len(edges)
    assert {(b, a) for a, b in edges} == set(edges)
    assert len(np.unique(skin)) - len(edges) // 2 + len(skin) == 2, "Euler: a ball without handles"
    assert len(skin) > len(template.skin)


def test_the_skins_normals_point_outward_and_its_bottom_down(template: HeadTemplate) -> None:
    a, b, c = (template.vertices[closed_skin(template)[:, k]] for k in range(3))
    litres = 1000 * np.einsum("fi,fi->", a, np.cross(b, c)) / 6
    assert 4 < litres < 20  # negative if it were inside out
    normals = vertex_normals(template.vertices, template.skin)
    skull = np.flatnonzero(template.region == SKULL)
    assert normals[skull[template.vertices[skull, 1].argmax()], 1] > 0.9
    bottom = closed_skin(template)[len(template.skin) :]
    a, b, c = (template.vertices[bottom[:, k]] for k in range(3))
    assert (np.cross(b - a, c - a)[:, 1] < 1e-6).mean() > 0.9


def test_it_is_the_parametric_head_without_its_lashes(template: HeadTemplate) -> None:
    head = load_head()
    np.testing.assert_array_equal(template.vertices, head.mean)
    drawn = np.unique(template.faces)
    lashes = np.unique(head.faces[head.part("left_lashes", "right_lashes")])
    assert not np.isin(lashes, drawn).any()
    assert len(drawn) + len(lashes) == len(head.mean)


def test_mirroring_twice_changes_nothing_and_mirrors_regions(template: HeadTemplate) -> None:
    np.testing.assert_array_equal(template.mirror[template.mirror], np.arange(len(template.vertices)))
    np.testing.assert_allclose(
        template.vertices[template.mirror], template.vertices * np.array([-1, 1, 1]), atol=1e-3
    )
    assert (template.region[template.mirror] == template.region).mean() > 0.99


def test_edges_are_those_of_the_skin(template: HeadTemplate) -> None:
    found = {(int(a), int(b)) for a, b in template.edges}
    assert found == {(min(edge), max(edge)) for edge in directed_edges(template.skin)}


def test_regions_lie_where_their_names_say(template: HeadTemplate) -> None:
    middle = {
        region: template.vertices[template.region == region].mean(0)
        for region in (FACE, SKULL, EAR, JAW, NECK, TORSO, EYE, TEETH, MOUTH, SOCKET)
    }
    heights = [float(middle[region][1]) for region in (SKULL, EAR, JAW, NECK, TORSO)]
    assert heights == sorted(heights, reverse=True)
    assert middle[EYE][1] > middle[TEETH][1] and middle[SOCKET][2] < middle[FACE][2]
    # No hair grows on the cheek below the ear
    skull = template.vertices[template.region == SKULL]
    assert (skull[skull[:, 2] > -0.08, 1] > -0.003).all()
    assert skull[:, 1].min() < -0.01
